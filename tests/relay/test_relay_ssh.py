"""The app over a real SSH connection that dies in mid-answer: the next login shows all of it."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

from relay.test_background import finish, say
from support.backgrounds import Here, here
from support.fault_server import FaultServer, Request, Wire
from support.pty import PtyProgram
from support.sshd import Sshd, sshd


def over_ssh(server: Sshd, place: Here, home: Path) -> PtyProgram:
    """The app, run by a login."""
    kept = {**place.env, "TERM": "xterm-256color", "HOME": str(place.folder)}
    env = " ".join(f"{name}={shlex.quote(value)}" for name, value in kept.items())
    run = f"env {env} {shlex.quote(sys.executable)} -P -m ssechat"
    return PtyProgram(server.command(run), home, env={"PATH": os.environ["PATH"]})


async def test_the_end_of_the_connection_costs_nothing(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slow(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "the beginning, ")
        await go_on.wait()
        await say(wire, "and the end")
        await finish(wire)

    def first(server: Sshd, place: Here) -> None:
        with over_ssh(server, place, tmp_path) as program:
            program.wait_for("(enter sends", 30)
            program.send(b"why?\r")
            program.wait_for("the beginning,", 30)
            program.wait_for("kept by the background relay")
            server.cut()
            program.wait(20)

    def second(server: Sshd, place: Here) -> None:
        with over_ssh(server, place, tmp_path) as program:
            program.wait_for("the beginning, and the end", 30)
            program.wait_for("complete")
            program.send(b"\x11")
            program.wait(20)

    async with FaultServer(slow) as upstream:
        with sshd() as server, here(upstream.base_url) as place:
            await asyncio.to_thread(first, server, place)
            go_on.set()
            await asyncio.to_thread(second, server, place)
        assert len(upstream.requests) == 1
