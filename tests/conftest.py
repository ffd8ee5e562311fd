"""What every test stands on: no trace of the developer's own keys, terminal, proxies and files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hypothesis
import pytest

_FOREIGN = re.compile(
    r".*_API_KEY|(http|https|all|no)_proxy|NO_COLOR|FORCE_COLOR|CLICOLOR.*|TEXTUAL.*"
    r"|SSECHAT_(?!LLAMA_URL$).*"  # a real server, for the tests that want one
    r"|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|XDG_.*|TMUX.*|TERM_PROGRAM.*|SSH_.*",
    re.IGNORECASE,
)
_OURS = {"TEXTUAL_ANIMATIONS": "none", "TERM": "xterm-256color", "COLORTERM": "truecolor"}


def _clean(environ: os._Environ[str]) -> None:
    for name in [name for name in environ if _FOREIGN.fullmatch(name)]:
        del environ[name]
    environ.update(_OURS)


_clean(os.environ)  # Textual reads some of it when it is imported

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, in which the test's configuration and data lie."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSECHAT_CONFIG", str(home / "ssechat" / "config.toml"))
    monkeypatch.setenv("SSECHAT_DATA_DIR", str(home / "data"))
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / f"xdg-{name.lower()}"))
    return home
