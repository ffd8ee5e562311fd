"""How the background relay is started: as a user service where those linger, without any key."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ssechat import background, detached
from ssechat.session import Session
from support.backgrounds import Here, here

STAND_IN = """#!/usr/bin/env python3
import json, os, subprocess, sys
into = os.environ["HOME"]
with open(os.path.join(into, "asked"), "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
{first}
options, command = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
named = [one.partition("=")[2] for one in options if one.startswith("--setenv=")]
env = {{name: os.environ[name] for name in named}}
(log,) = {{one.partition("append:")[2] for one in options if "append:" in one}}
with open(log, "ab") as output:
    subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
"""
"""A systemd-run that starts the command as a service manager would: with what is named alone."""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    with here("http://127.0.0.1:9", api_key_env="WORK_CODE") as place:
        for name, value in {**place.env, "HOME": str(place.folder)}.items():
            monkeypatch.setenv(name, value)
        yield place


def lingering(place: Here, monkeypatch: pytest.MonkeyPatch, first: str = "") -> None:
    """The user's services linger; `systemd-run` does `first`, Python, before all else."""
    folder = place.folder / "bin"
    folder.mkdir()
    (folder / "systemd-run").write_text(STAND_IN.format(first=first))
    (folder / "systemd-run").chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (place.folder / "bus").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place.folder))
    (place.folder / pwd.getpwuid(os.getuid()).pw_name).touch()
    monkeypatch.setattr(detached, "LINGERING", place.folder)


def asked_of_systemd(place: Here) -> list[list[str]]:
    file = place.folder / "asked"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@asynccontextmanager
async def started() -> AsyncIterator[Session]:
    session = await Session.open()
    session.background.wanted = True
    try:
        await session.background.prepare(session.settings.profiles["work"])
        yield session
    finally:
        await session.close()


async def test_where_user_services_linger_it_is_started_through_them(
    place: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    lingering(place, monkeypatch)
    async with started():
        assert place.health()["server"] == "ssechat-relay"
    (asked,) = asked_of_systemd(place)
    options = asked[: asked.index("--")]
    assert {"--user", "--collect", "--quiet"} <= set(options)
    assert any(one.startswith(f"--unit=ssechat-relay-{background.digest()}-") for one in options)
    for name in ("SSECHAT_CONFIG", "SSECHAT_DATA_DIR", "HOME", "XDG_STATE_HOME", "TMPDIR"):
        assert f"--setenv={name}" in options
    (log,) = {one.partition("append:")[2] for one in options if "append:" in one}
    assert b"listens on" in place.written()
    assert log == str(background._log_path())


async def test_two_starts_at_once_ask_for_services_of_different_names(
    place: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    lingering(place, monkeypatch)
    env = background._environment()
    for _ in range(2):
        assert background._serve(env).wait(10) == 0
    units = {one for asked in asked_of_systemd(place) for one in asked if "--unit" in one}
    assert len(units) == 2
    assert await background._until(lambda: bool(place.health()))


@pytest.mark.parametrize("first", ["sys.exit(1)", "import time; time.sleep(60)"])
async def test_where_the_service_manager_fails_or_hangs_it_is_started_as_elsewhere(
    place: Here, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(background, "_SERVICE_TIME", 0.5)
    lingering(place, monkeypatch, first)
    async with started():
        assert place.health()["server"] == "ssechat-relay"
    assert len(asked_of_systemd(place)) == 1


async def test_without_lingering_it_is_no_service(
    place: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    lingering(place, monkeypatch)
    monkeypatch.setattr(detached, "LINGERING", place.folder / "none")
    async with started():
        assert place.health()["server"] == "ssechat-relay"
    assert asked_of_systemd(place) == []


@pytest.mark.parametrize("service", [False, True])
async def test_it_gets_no_secret_of_the_apps_environment(
    place: Here, monkeypatch: pytest.MonkeyPatch, service: bool
) -> None:
    secrets = {
        "WORK_CODE": "named-by-the-profile",
        "OPENAI_API_KEY": "known",
        "AWS_SECRET_ACCESS_KEY": "looks-like-one",
        "GITHUB_TOKEN": "looks-like-one-too",
        "db_password": "in-small-letters",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    if service:
        lingering(place, monkeypatch)
    async with started():
        pid = place.health()["pid"]
        environ = environment_of(str(pid))
    assert not [one for one in environ if one.partition("=")[0] in secrets]
    assert f"SSECHAT_CONFIG={place.env['SSECHAT_CONFIG']}" in environ
    assert not any(value in repr(asked_of_systemd(place)) for value in secrets.values())


def environment_of(pid: str) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")


def test_what_it_needs_is_kept_whatever_a_profile_calls_its_key() -> None:
    env = {"HOME": "/h", "https_proxy": "http://p", "A_KEY": "a", "CODE": "b", "OTHER": "c"}
    kept = detached.environment(env, {"HOME", "CODE"})
    assert kept == {
        "HOME": "/h",
        "https_proxy": "http://p",
        "OTHER": "c",
        "PYTHONSAFEPATH": "1",
    }
