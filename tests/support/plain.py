"""A question put to a server that keeps no answer, through a hub."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest

from ssechat.core.resume import Rung
from ssechat.hub import Hub
from ssechat.settings import Profile, Timeouts
from support.chat_servers import ChatServer, Cut, MessagesServer, OpenAiServer
from support.fault_server import FaultServer
from support.gemini_server import GeminiServer
from support.hubs import ask, profile
from support.ladder import Told, hurried, told
from support.ollama_server import Ollama

PIECES = ["Grüße, ", "Grüße, ", "liebe ", "Welt\n\n", "— 👋 ", "\u2028!"]
"""Two pieces are alike, so that to drop one of them would show."""
THINKING = ["Hm, ", "so: "]
SOON = Timeouts(idle=0.6, silence=30.0, headers=0.6)
"""For tests in which something has to run out."""

Kind = type[ChatServer]
KINDS: list[Kind] = [OpenAiServer, MessagesServer, GeminiServer, Ollama]
ALL = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.DIALECT)


class Run(NamedTuple):
    told: Told
    rung: Rung
    posts: int

    @property
    def said(self) -> tuple[str, str]:
        return self.told.text, self.told.thinking


def asked(server: ChatServer, faults: FaultServer, **more: Any) -> Profile:
    model = more.pop("model", server.MODEL)
    made = profile(f"{faults.base_url}{server.BELOW}", server.DIALECT, **more)
    return msgspec.structs.replace(made, model=model)


async def run(hub: Hub, server: ChatServer, **more: Any) -> Run:
    """A question's answer at its end."""
    async with FaultServer(server) as faults:
        live = await hurried(hub, await ask(hub, asked(server, faults, **more)))
        return Run(await told(hub, live), live.rung, len(server.prompts))


def made(kind: Kind, *cuts: Cut, **knobs: Any) -> ChatServer:
    return kind(PIECES, THINKING, cuts=cuts, **knobs)
