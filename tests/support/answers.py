"""What a server answers to a dialect's request, read in memory: no link, no journal."""

from __future__ import annotations

from typing import NamedTuple

import httpx

from core.fixtures.streams import reply
from ssechat.core.conversation import Call
from ssechat.core.deltas import Verdict
from ssechat.core.dialects import Dialect, Framing
from ssechat.core.frames import Frame
from ssechat.core.ndjson import NdjsonDecoder
from ssechat.core.sse import SseDecoder


class Answered(NamedTuple):
    """`cut`: the body ended early. `frames` are those that came, whatever came after them."""

    status: int
    body: bytes
    frames: list[Frame]
    text: str
    thinking: str
    verdict: Verdict | None
    cut: bool


async def answered(
    dialect: Dialect, base_url: str, call: Call, headers: dict[str, str] | None = None
) -> Answered:
    """All that comes of `call`. Like the link, an empty path means the base URL itself."""
    body, cut = bytearray(), False
    url = f"{base_url}/{call.path}" if call.path and call.path[0] != "?" else base_url + call.path
    async with (
        httpx.AsyncClient() as client,
        client.stream(
            call.method, url, headers=call.headers | (headers or {}), content=call.body or None
        ) as response,
    ):
        try:
            async for chunk in response.aiter_raw():
                body += chunk
        except httpx.RemoteProtocolError:
            cut = True
    framing = SseDecoder if dialect.FRAMING is Framing.SSE else NdjsonDecoder
    cutter = framing(end_mark=dialect.END_MARK)
    frames = cutter.feed(bytes(body)) + cutter.close()
    decoder = dialect.decoder()
    told = [delta for frame in frames for delta in decoder.decode(frame)] + decoder.close()
    folded = reply(told)
    return Answered(
        response.status_code,
        bytes(body),
        frames,
        folded.answer,
        folded.thinking,
        folded.verdict,
        cut,
    )
