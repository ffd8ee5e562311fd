"""The floor for the relay: bytes from httpx to starlette, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

UPSTREAM = sys.argv[1]
LIMITS = httpx.Limits(max_connections=None)
client = httpx.AsyncClient(timeout=None, limits=LIMITS, trust_env=False)


async def proxied(request: Request) -> StreamingResponse:
    body = await request.body()
    path = request.url.path.removeprefix("/up")
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    sent = client.build_request("POST", UPSTREAM + path, content=body, headers=headers)
    answer = await client.send(sent, stream=True)

    async def data() -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        finally:
            await answer.aclose()

    return StreamingResponse(data(), answer.status_code, {"Content-Type": "text/event-stream"})


if __name__ == "__main__":
    app = Starlette(routes=[Route("/{path:path}", proxied, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), http="h11", log_level="critical")
