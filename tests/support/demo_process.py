"""The demo server as a real process, and a client that reads its streams."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import SseDecoder

PATHS = {"openai-chat": "/v1/chat/completions", "anthropic": "/v1/messages"}


class DemoProcess:
    """`python -m ssechat.demo` on a free port. Its standard error has to stay empty."""

    def __init__(self, *options: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ssechat.demo", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        line = self.process.stdout.readline().decode()
        assert line.startswith("READY http://127.0.0.1:"), self.errors()
        self.url = line.split()[1]
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def post(self, prompt: str, dialect: str = "openai-chat", **headers: str):
        """A response that is being streamed, as a context."""
        return self.http.stream(
            "POST", PATHS[dialect], json=request(prompt), headers=headers_of(headers)
        )

    def start(self, prompt: str, dialect: str = "openai-chat") -> str:
        """Start a stream, leave it at once; its id."""
        with self.post(prompt, dialect) as response:
            assert response.status_code == 200
            return response.headers["ssechat-stream-id"]

    def follow(self, stream: str, after: str | None = None):
        headers = {} if after is None else {"Last-Event-ID": after}
        return self.http.stream("GET", f"/v1/streams/{stream}/events", headers=headers)

    def state(self, stream: str) -> str:
        return self.http.get(f"/v1/streams/{stream}").json()["state"]

    def await_state(self, stream: str, state: str) -> None:
        until = time.monotonic() + 10
        while self.state(stream) != state:
            assert time.monotonic() < until
            time.sleep(0.01)

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        if self._errors.closed:
            return
        self.http.close()
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        said = self.errors()
        self._errors.close()
        assert not said, said


@contextmanager
def demo(*options: str) -> Iterator[DemoProcess]:
    process = DemoProcess(*options)
    try:
        yield process
    finally:
        process.close()


def request(prompt: str, **fields: object) -> dict:
    body = {"model": "demo", "stream": True, "messages": [{"role": "user", "content": prompt}]}
    return body | {"stream_options": {"include_usage": True}, "max_tokens": 4096} | fields


def headers_of(names: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in names.items()}


def frames(response: httpx.Response, limit: int | None = None) -> list[Frame]:
    """The events of a response up to its end, however it ends, or up to `limit` of them."""
    got: list[Frame] = []
    try:
        for frame in arriving(response):
            got.append(frame)
            if limit is not None and len(got) >= limit:
                break
    except httpx.TransportError:
        pass
    return got


def arriving(response: httpx.Response, comments: bool = False) -> Iterator[Frame]:
    """Events as they arrive; raises httpx.TransportError where the connection breaks."""
    decoder = SseDecoder()
    chunks = response.iter_raw()
    while True:
        chunk = next(chunks, None)
        if chunk is None:
            return
        for frame in decoder.feed(chunk, time.time(), time.monotonic()):
            if frame.kind is FrameKind.EVENT or comments:
                yield frame


def text_of(events: list[Frame]) -> str:
    """The answer in events of either API."""
    text = ""
    for event in events:
        if event.data == "[DONE]":
            continue
        data = json.loads(event.data)
        for choice in data.get("choices", []):
            text += choice["delta"].get("content") or ""
        text += data.get("delta", {}).get("text", "")
    return text


def files(state: Path) -> list[Path]:
    return sorted((state / "streams").iterdir())
