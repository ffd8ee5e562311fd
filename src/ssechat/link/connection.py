"""One connection: a request leaves, frames come, watchdogs listen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx
import httpx_sse
import msgspec

from ssechat.core.conversation import Call
from ssechat.core.errors import LinkProblem
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.sse import SseDecoder
from ssechat.link import problems
from ssechat.link.client import Clients

_BODY_LIMIT = 64 * 1024  # bytes of an error body that are read
_BODY_TIME = 5.0  # s
_LOCATION_LIMIT = 2048


class Target(msgspec.Struct, frozen=True):
    """Where requests go. `secret_headers` are sent to the base URL's origin only, and never shown.

    Times in seconds: `headers` until the response's headers, `silence` without any byte once the
    server has shown that it sends keepalives, `idle` without payload.
    """

    base_url: str
    headers: dict[str, str] = {}
    secret_headers: dict[str, str] = {}
    connect: float = 10.0
    headers_time: float = 600.0
    silence: float = 45.0
    idle: float = 300.0
    ca_file: str = ""
    http2: bool = False

    def __repr__(self) -> str:
        return f"Target({self.base_url})"

    @property
    def where(self) -> str:
        return urlsplit(self.base_url).netloc

    def url(self, path: str) -> str:
        """`path` from the origin's root if it begins with a slash, else below the base URL."""
        if path.startswith("/"):
            parts = urlsplit(self.base_url)
            return f"{parts.scheme}://{parts.netloc}{path}"
        return f"{self.base_url.rstrip('/')}/{path}"


class Connection:
    """An open stream. `location` is the same-origin path to continue at, `remote_id` its name."""

    def __init__(self, response: httpx.Response, target: Target, decoder: SseDecoder) -> None:
        self.location = same_origin(str(response.url), response.headers.get("location", ""))
        self.remote_id = response.headers.get("ssechat-stream-id", "")[:200]
        self.opened = time.monotonic()
        self._response = response
        self._target = target
        self._decoder = decoder
        self._last_byte = self._last_payload = self.opened
        self._keepalives = False
        self._handing_over = False
        self._overdue: LinkProblem | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def retry(self) -> float | None:
        """The server's `retry:`, in seconds."""
        return None if self._decoder.retry is None else self._decoder.retry / 1000

    @property
    def quiet(self) -> float:
        """Seconds since the last payload."""
        return time.monotonic() - self._last_payload

    async def frames(self) -> AsyncGenerator[list[Frame], None]:
        """Frames, one list for each chunk. Ends when the body ends; LinkProblem if it is cut."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval, self._watch, loop)
        try:
            async for chunk in self._response.aiter_raw():
                self._last_byte = mono = time.monotonic()
                if frames := self._decoder.feed(chunk, time.time(), mono):
                    self._note(frames)
                    self._handing_over = True
                    yield frames
                    self._handing_over = False
                    self._last_byte = max(self._last_byte, time.monotonic())
            if frames := self._decoder.close(time.time(), time.monotonic()):
                yield frames
        except httpx.HTTPError as error:
            raise self._overdue or problems.lost(error) from None
        finally:
            self._timer.cancel()
            if self._closing is not None:
                await self._closing

    @property
    def _interval(self) -> float:
        return max(0.02, min(0.5, self._target.silence / 4, self._target.idle / 4))

    def _note(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind is FrameKind.EVENT:
                self._last_payload = frame.mono
            elif frame.kind is FrameKind.COMMENT:
                self._keepalives = True

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """One timer a stream looks at two clocks: any byte, and payload.

        While the reader of the frames holds us up, the server is not to blame.
        """
        now = time.monotonic()
        target = self._target
        if self._handing_over:
            self._last_payload = now
            self._timer = loop.call_later(self._interval, self._watch, loop)
        elif self._keepalives and now - self._last_byte > target.silence:
            self._expire(f"no byte for {target.silence:.0f} s")
        elif now - self._last_payload > target.idle:
            self._expire(f"no payload for {target.idle:.0f} s")
        else:
            self._timer = loop.call_later(self._interval, self._watch, loop)

    def _expire(self, why: str) -> None:
        self._overdue = LinkProblem(why, kind="silence")
        self._closing = asyncio.ensure_future(self._response.aclose())


@asynccontextmanager
async def connect(
    clients: Clients,
    target: Target,
    call: Call,
    *,
    on_sent: Callable[[], None],
    error_text: Callable[[bytes], str],
    last_event_id: str = "",
    end_mark: str = "",
) -> AsyncIterator[Connection]:
    """Send `call` and yield the open stream. LinkProblem if none comes.

    Leaving the block closes the connection at once, which is all that a server without another
    way to stop ever hears.
    """
    client = await clients.get(
        target.base_url, ca_file=target.ca_file, http2=target.http2, connect=target.connect
    )
    started = False

    async def trace(name: str, _: Any) -> None:
        nonlocal started
        if name.endswith("send_request_headers.started"):
            started = True
        elif name.endswith("send_request_body.complete"):
            on_sent()

    headers = _headers(target, call)
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id.encode()
    opening = httpx_sse.aconnect_sse(
        client,
        call.method,
        target.url(call.path),
        headers=headers,
        content=call.body or None,
        extensions={"trace": trace},
    )
    try:
        async with asyncio.timeout(target.headers_time):
            source = await opening.__aenter__()
    except TimeoutError:
        title = f"{target.where} sent no headers for {target.headers_time:.0f} s"
        raise LinkProblem(title, kind="lost") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        problem = problems.lost(error) if started else problems.unreachable(error, target.where)
        raise problem from None
    response = source.response
    try:
        if response.status_code != 200 or not _is_stream(response):
            raise problems.refusal(response, await _bounded(response), error_text)
        decoder = SseDecoder(last_event_id=last_event_id, end_mark=end_mark)
        yield Connection(response, target, decoder)
    finally:
        await response.aclose()


async def fetch(clients: Clients, target: Target, call: Call) -> tuple[int, bytes]:
    """One short request: status and a bounded body. LinkProblem if there is no answer."""
    client = await clients.get(
        target.base_url, ca_file=target.ca_file, http2=target.http2, connect=target.connect
    )
    headers = _headers(target, call) | {"Accept": "application/json"}
    request = client.build_request(
        call.method, target.url(call.path), headers=headers, content=call.body or None
    )
    try:
        async with asyncio.timeout(target.connect + _BODY_TIME):
            response = await client.send(request, stream=True)
            try:
                return response.status_code, await _bounded(response)
            finally:
                await response.aclose()
    except TimeoutError:
        raise LinkProblem(f"{target.where} did not answer in time", kind="lost") from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise problems.unreachable(error, target.where) from None


def same_origin(url: str, location: str) -> str:
    """The path and query of `location`, seen from `url`; "" if it leads to another origin."""
    if not location or len(location) > _LOCATION_LIMIT or not location.isascii():
        return ""
    try:
        base, there = urlsplit(url), urlsplit(urljoin(url, location))
        same = _origin(base) == _origin(there)
    except ValueError:
        return ""
    if not same or there.username is not None or not there.path.isprintable():
        return ""
    return f"{there.path}?{there.query}" if there.query else there.path


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.hostname, url.port or default


def sendable(event_id: str) -> bool:
    """Whether `event_id` can stand in a header."""
    return bool(event_id) and event_id == event_id.strip() and event_id.isprintable()


def _headers(target: Target, call: Call) -> dict[str, Any]:
    return {
        **call.headers,
        **target.headers,
        **target.secret_headers,
        "Accept-Encoding": "identity",
        "Cache-Control": "no-store",
    }


def _is_stream(response: httpx.Response) -> bool:
    if problems.media_type(response) != "text/event-stream":
        return False
    return str(response.headers.get("content-encoding", "identity")).lower() == "identity"


async def _bounded(response: httpx.Response) -> bytes:
    """The body's beginning, read for a short while only."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIME):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _BODY_LIMIT:
                    break
    except (TimeoutError, httpx.HTTPError):
        pass
    return bytes(body[:_BODY_LIMIT])
