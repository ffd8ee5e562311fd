"""The three rings: imports point inwards, and each outside thing has one place that knows it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssechat
from support.pty import clean_environment

ROOT = Path(ssechat.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
MAX_LINES = 400

IMPURE_WORDS = """
    asyncio builtins concurrent contextvars ctypes datetime fcntl fileinput ftplib getpass glob
    http locale logging mmap multiprocessing os pathlib pickle platform pty queue random sched
    secrets select selectors shelve shutil signal smtplib socket socketserver sqlite3 ssl
    subprocess sys tempfile termios threading time tty uuid webbrowser
"""
IMPURE = frozenset(IMPURE_WORDS.split())
"""What the core may not import of the standard library: clocks, chance, files, processes, nets."""

OWNERS = {
    "anyio": ("link",),
    "httpx": ("link",),
    "httpx_sse": ("link",),
    "certifi": ("link",),
    "sqlite3": ("journal",),
    "platformdirs": ("paths",),
    "redis": ("journal",),
    "keyring": ("keys",),
    "starlette": ("demo", "relay"),
    "uvicorn": ("demo", "relay"),
    "click": ("cli",),
    "textual": ("tui",),
    "rich": ("tui",),
    "markdown_it": ("tui",),
    "pygments": ("tui",),
}
"""Who alone may import what. All but the standard library and msgspec has to stand here."""

WITHOUT_TEXTUAL = ("tui/markdown", "tui/transcript")
"""The parts of the interface that could be drawn by something else."""

OUTER = ("tui", "cli", "__main__")


def breaches(file: str, source: str) -> list[str]:
    """The rules that a module breaks; `file` is relative to the package."""
    where = file.removesuffix(".py").removesuffix("/__init__").split("/")
    return [
        f"{file}: {fault}"
        for name in imported(source, ["ssechat", *where], is_package=file.endswith("__init__.py"))
        if (fault := fault_of(name, where))
    ]


def imported(source: str, module: list[str], is_package: bool) -> Iterator[str]:
    """Every module that the source imports anywhere, in full; and `open`, if it is called."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(None | str() as name, names, level):
                package = module if is_package else module[:-1]
                base = package[: len(package) - level + 1] if level else []
                prefix = ".".join([*base, *([name] if name else [])])
                yield from (f"{prefix}.{alias.name}" for alias in names)
            case ast.Call(
                ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                [ast.Constant(str(name)), *_],
            ):
                yield name
            case ast.Call(ast.Name("open")):
                yield "builtins.open"


def fault_of(name: str, where: list[str]) -> str:
    """What is wrong with importing `name` in the module at `where`; "" if nothing."""
    top, *rest = name.split(".")
    ring = "__main__" if where[-1] == "__main__" else where[0]
    if top == "ssechat":
        return ring_fault(rest[0] if rest else "", ring)
    if ring == "core" and (
        top in IMPURE or not (top in sys.stdlib_module_names or top == "msgspec")
    ):
        return f"the core imports {name}"
    if top in OWNERS and ring not in OWNERS[top]:
        return f"only {' and '.join(OWNERS[top])} may import {top}"
    if top == "textual" and "/".join(where[:2]) in WITHOUT_TEXTUAL:
        return f"{'/'.join(where[:2])} imports {top}"
    if top not in OWNERS and top not in sys.stdlib_module_names and top != "msgspec":
        return f"{top} is no dependency of ours"
    return ""


def ring_fault(imported: str, ring: str) -> str:
    if ring == "core" and imported != "core":
        return f"the core imports ssechat.{imported}"
    if ring not in OUTER and imported in OUTER:
        return f"the edge imports ssechat.{imported}"
    if imported == "relay" and ring in ("hub", "journal", "link"):
        return f"{ring} imports the relay, which is built on it"
    if ring == "tui" and imported == "cli":
        return "the screen imports the command line"
    return ""


@pytest.mark.parametrize("file", MODULES)
def test_a_module_keeps_to_its_ring(file):
    assert breaches(file, (ROOT / file).read_text()) == []


@pytest.mark.parametrize("file", MODULES)
def test_a_module_is_not_too_long(file):
    assert len((ROOT / file).read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("core/resume.py", "import asyncio"),
        ("core/resume.py", "import os.path"),
        ("core/resume.py", "from time import monotonic"),
        ("core/resume.py", "def f():\n    import random"),
        ("core/resume.py", "if TYPE_CHECKING:\n    from pathlib import Path"),
        ("core/resume.py", "open('x')"),
        ("core/resume.py", "import httpx"),
        ("core/resume.py", "import numpy"),
        ("core/resume.py", "from ssechat.journal import Journal"),
        ("core/resume.py", "from ssechat import paths"),
        ("core/resume.py", "from .. import paths"),
        ("core/dialects/__init__.py", "from ... import paths"),
        ("core/resume.py", "import_module('asyncio')"),
        ("core/resume.py", "importlib.import_module('ssechat.hub')"),
        ("hub/hub.py", "import httpx"),
        ("hub/joining.py", "from ssechat.relay.feed import Feed"),
        ("hub/hub.py", "from httpx_sse import aconnect_sse"),
        ("hub/hub.py", "import sqlite3"),
        ("hub/hub.py", "import numpy"),
        ("hub/hub.py", "from ssechat.tui.app import App"),
        ("hub/hub.py", "from ..cli import ask"),
        ("settings.py", "import platformdirs"),
        ("settings.py", "import textual.app"),
        ("settings.py", "from . import cli"),
        ("link/client.py", "import starlette"),
        ("tui/app.py", "import httpx"),
        ("tui/app.py", "from ssechat.cli import ask"),
        ("tui/markdown/scanner.py", "from textual.content import Content"),
        ("tui/markdown/__init__.py", "import textual"),
        ("tui/transcript/column.py", "from textual.geometry import Size"),
        ("cli/ask.py", "import textual"),
    ],
)
def test_the_walk_catches(file, source):
    assert breaches(file, source)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("core/resume.py", "import json, re\nimport msgspec\nfrom .frames import Frame"),
        ("core/dialects/__init__.py", "from . import anthropic\nfrom ..frames import Frame"),
        ("hub/hub.py", "import asyncio\nfrom ssechat.core.frames import Frame"),
        ("journal/rows.py", "import sqlite3"),
        ("link/client.py", "import httpx"),
        ("tui/app.py", "from textual.app import App\nfrom ssechat.hub import Hub"),
        ("tui/markdown/scanner.py", "from markdown_it import MarkdownIt"),
        ("cli/app.py", "from ssechat.tui.app import App"),
        ("__main__.py", "from ssechat.cli import main"),
        ("demo/__main__.py", "from ssechat.cli.demo_server import command"),
    ],
)
def test_the_walk_lets_pass(file, source):
    assert breaches(file, source) == []


def headless() -> Iterator[str]:
    """All modules that run without a screen: every subcommand but the app, and what they use."""
    for file in MODULES:
        ring, _, name = file.partition("/")
        if ring in ("cli", "demo", "relay") and name not in ("app.py", "__main__.py"):
            yield "ssechat." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("module", list(headless()))
def test_without_a_screen_textual_is_never_loaded(module):
    code = f"import sys, {module}; sys.exit('textual' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


DEAD = """
[profiles.dead]
dialect = "openai-chat"
base_url = "http://127.0.0.1:9"
model = "m"
"""
HEADLESS = {
    "help": ["--help"],
    "version": ["--version"],
    "help for ask": ["ask", "--help"],
    "help for resume": ["resume", "--help"],
    "help for demo-server": ["demo-server", "--help"],
    "help for relay": ["relay", "--help"],
    "no terminal": [],
    "no prompt": ["ask"],
    "unknown profile": ["ask", "--profile", "nobody", "hello"],
    "demo": ["ask", "--demo", "hello #rate=10000"],
    "broken config": ["ask", "--demo", "hello #rate=10000"],
    "dead server": ["ask", "--profile", "dead", "hello"],
    "unknown command": ["nonsense"],
    "unknown answer": ["resume", "xx"],
}
SEEN_AT_EXIT = """
import atexit, sys
atexit.register(lambda: print("textual" in sys.modules, file=sys.stderr))
from ssechat.cli import main
main()
"""


@pytest.mark.parametrize("case", HEADLESS)
def test_no_command_but_the_app_ever_loads_textual(case: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[profiles.\n" if case == "broken config" else DEAD)
    config.chmod(0o600)
    run = subprocess.run(
        [sys.executable, "-c", SEEN_AT_EXIT, *HEADLESS[case]],
        env=clean_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr.splitlines()[-1] == "False", run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("module", ["desk", "tab", "status", "export", "transcript", "markdown"])
def test_what_a_tab_holds_and_says_knows_no_widgets(module: str) -> None:
    code = f"import sys, ssechat.tui.{module}; print('textual' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
