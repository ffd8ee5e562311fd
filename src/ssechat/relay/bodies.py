"""Bodies of requests: bounded in size, in time, and in what they hold together."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from ssechat.relay.errors import Refusal

LARGEST = 32 * 2**20
"""Bytes of a request; it may hold images."""
TOGETHER = 256 * 2**20
"""Bytes of all bodies that are being read."""
PATIENCE = 60.0
"""Seconds that a body may take, if it comes no faster than `PACE`."""
PACE = 64 * 2**10  # bytes that buy another second
_CLOSE = {"Connection": "close"}  # what else would come is not read


class Bodies:
    """The bodies that one relay is reading; `held` are their bytes so far."""

    def __init__(self) -> None:
        self.held = 0

    async def read(self, request: Request) -> bytes:
        """The body. Raises Refusal as soon as it is too large, too slow, or one too many."""
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 12 or int(length) > LARGEST:
            raise _too_large()
        body = bytearray()
        until = asyncio.get_running_loop().time() + PATIENCE
        try:
            async with asyncio.timeout_at(until) as limit:
                async for chunk in request.stream():
                    body += chunk
                    self.held += len(chunk)
                    self._check(body)
                    limit.reschedule(until + len(body) / PACE)
        except TimeoutError:
            raise Refusal(408, "the body takes too long to come", headers=_CLOSE) from None
        finally:
            self.held -= len(body)
        return bytes(body)

    def _check(self, body: bytearray) -> None:
        if len(body) > LARGEST:
            raise _too_large()
        if self.held > TOGETHER:
            later = {"Retry-After": "5", **_CLOSE}
            raise Refusal(503, "too many large requests at once", headers=later)


def _too_large() -> Refusal:
    return Refusal(413, f"the body may have {LARGEST} bytes", headers=_CLOSE)
