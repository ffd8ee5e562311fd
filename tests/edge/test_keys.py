from __future__ import annotations

import copy
import json
import os
import pickle
import shlex
import sys
import time
from pathlib import Path

import msgspec
import pytest

from ssechat.core.errors import KeyProblem
from ssechat.key_command import run
from ssechat.keys import Secret, resolve
from ssechat.settings import Profile

KEY = "hunter2"


def profile(env: str = "", command: str = "", keyring: str = "") -> Profile:
    return Profile(
        "work",
        "openai-chat",
        "https://api.example",
        "m",
        api_key_env=env,
        api_key_command=command,
        api_key_keyring=keyring,
    )


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def problem(call, *args) -> KeyProblem:
    with pytest.raises(KeyProblem) as caught:
        call(*args)
    assert KEY not in str(caught.value)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__])
def test_a_secret_never_shows(show):
    assert KEY not in show(Secret(KEY))
    assert KEY not in show([Secret(KEY), {"k": Secret(KEY)}])
    assert KEY not in f"{Secret(KEY):>20}"


@pytest.mark.parametrize(
    "store", [pickle.dumps, copy.deepcopy, json.dumps, msgspec.json.encode, msgspec.to_builtins]
)
def test_a_secret_is_not_stored(store):
    with pytest.raises(TypeError):
        store(Secret(KEY))


def test_secrets_are_equal_by_value():
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert Secret(KEY).reveal() == KEY


def test_a_profile_without_a_source_has_no_key():
    assert resolve(profile(), {"": "x"}) is None


def test_the_variable_goes_first():
    assert resolve(profile(env="K", command="false"), {"K": f" {KEY}\n"}) == Secret(KEY)


def test_a_variable_that_is_not_set_yields_to_the_command():
    command = python(f"print('{KEY}')")
    assert resolve(profile(env="K", command=command), {"K": ""}) == Secret(KEY)


def test_a_variable_that_is_not_set_is_named():
    caught = problem(resolve, profile(env="K_NAME"), {})
    assert "K_NAME" in caught.title
    assert caught.exit_code == 2


@pytest.mark.parametrize("value", ["hunter2\r\nHost: x", "hunter2 x", "hunter2\x07", "hunter2é"])
def test_a_key_that_could_break_out_of_its_header_is_refused(value):
    assert "K_NAME" in problem(resolve, profile(env="K_NAME"), {"K_NAME": value}).title


def test_a_command_is_no_shell():
    assert run("echo a;b $HOME") == "a;b $HOME"


def test_a_failing_command_shows_what_it_complained_but_not_what_it_printed():
    code = f"import sys; print('{KEY}'); sys.exit('gpg: no secret key')"
    caught = problem(resolve, profile(command=python(code)), {})
    assert "exit code 1" in caught.title
    assert "gpg: no secret key" in caught.detail


def test_a_command_that_prints_nothing_is_a_problem():
    assert "gave no key" in problem(resolve, profile(command="true"), {}).title


@pytest.mark.parametrize("command", ["/no/such/program", "echo 'open", "   ", "/"])
def test_a_command_that_cannot_run_is_a_problem(command):
    assert "api_key_command" in problem(run, command).title


def test_a_command_that_prints_bytes_is_a_problem():
    code = r"import sys; sys.stdout.buffer.write(b'\xff\xfe')"
    assert "not text" in problem(run, python(code)).title


def test_a_command_that_prints_without_end_is_stopped():
    assert "more than" in problem(run, "yes").title


def test_a_command_cannot_wait_for_input():
    assert run(python("import sys; print(repr(sys.stdin.read()))")) == "''"


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, pathlib;"
        "child = subprocess.Popen(['sleep', '60']);"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid));"
        "child.wait()"
    )
    caught = problem(run, python(code), 1.0)
    assert "in time" in caught.title
    pid, end = int(pid_file.read_text()), time.monotonic() + 5
    while not _has_ended(pid):  # what is killed is not gone at once
        assert time.monotonic() < end


def test_an_agent_that_a_command_leaves_behind_does_not_hold_it_up():
    code = f"import subprocess; subprocess.Popen(['sleep', '1']); print('{KEY}')"
    began = time.monotonic()
    assert run(python(code)) == KEY
    assert time.monotonic() - began < 0.9


def _has_ended(pid: int) -> bool:
    """A killed orphan may be a zombie until init reaps it."""
    try:
        os.kill(pid, 0)
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_without_the_package_the_keyring_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "ssechat[keyring]" in problem(resolve, profile(keyring="me"), {}).remedy


@pytest.fixture
def keyring(tmp_path, monkeypatch):
    """A keyring package that knows one key and fails for the service `locked`."""
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, user):\n"
        "    if service == 'locked':\n"
        f"        raise RuntimeError('{KEY}')\n"
        f"    known = {{('ssechat', 'me'): '{KEY}', ('pass', 'a/b'): 'other'}}\n"
        "    return known.get((service, user))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    yield
    sys.modules.pop("keyring", None)


@pytest.mark.usefixtures("keyring")
def test_a_keyring_entry_is_a_user_of_ours_or_a_service_and_a_user():
    assert resolve(profile(keyring="me"), {}) == Secret(KEY)
    assert resolve(profile(keyring="pass/a/b"), {}) == Secret("other")


@pytest.mark.usefixtures("keyring")
def test_an_empty_or_locked_keyring_is_a_problem():
    assert "the keyring" in problem(resolve, profile(keyring="you"), {}).title
    assert "RuntimeError" in problem(resolve, profile(keyring="locked/me"), {}).title
