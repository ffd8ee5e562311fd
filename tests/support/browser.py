"""A real Chromium without a window, driven over the DevTools protocol.

It speaks over two pipes (`--remote-debugging-pipe`, JSON with a NUL behind each message), so there
is no port that anybody else could reach, and no WebSocket to be written.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium here (apt-get install chromium)"
)
_OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars"),
    *("--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--no-proxy-server"),
    *("--disable-features=Translate,OptimizationHints,MediaRouter", "--password-store=basic"),
)
_PATIENCE = 20.0  # s
_LARGEST = 64 * 2**20  # bytes of a message; screenshots are long

_UNTIL = """new Promise((done) => {{
  const late = Date.now() + {patience} * 1000;
  const look = () => {{
    const found = ({expression});
    if (found || Date.now() > late) done(found ? "" : document.body.innerText || "an empty page");
    else setTimeout(look, 10);
  }};
  look();
}})"""


class Browser:
    """`pages()` are tabs without a common storage."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reading = asyncio.ensure_future(self._read(reader))

    async def call(self, method: str, session: str = "", /, **params: Any) -> dict[str, Any]:
        """The result of a command. AssertionError if the browser says no."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(_PATIENCE + 10):
            told = await answer
        assert "error" not in told, (method, told["error"])
        return dict(told["result"])

    async def page(self, width: int = 1280, height: int = 800, *, dark: bool = False) -> Page:
        context = await self.call("Target.createBrowserContext")
        target = await self.call(
            "Target.createTarget", url="about:blank", browserContextId=context["browserContextId"]
        )
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        await page.begin(width, height, dark)
        return page

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            message = json.loads((await reader.readuntil(b"\0"))[:-1])
            if (number := message.get("id")) in self._answers:
                self._answers.pop(number).set_result(message)
            elif page := self._pages.get(message.get("sessionId", "")):
                page.hear(message["method"], message["params"])


class Page:
    """One tab. `wrong` holds what scripts threw and what the policy forbade, `requests` the
    address and headers of each."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.wrong: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()

    async def begin(self, width: int, height: int, dark: bool) -> None:
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        phone = width < 500
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        return await self._browser.call(method, self._session, **params)

    async def open(self, url: str) -> None:
        await self._loading("Page.navigate", url=url)

    async def reload(self) -> None:
        await self._loading("Page.reload")

    async def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        told = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Return once the expression is true. AssertionError with what is seen, if it is not."""
        seen = await self.run(_UNTIL.format(expression=expression, patience=_PATIENCE))
        assert seen == "", f"{expression}\nis not true of:\n{seen}"

    async def write(self, selector: str, text: str) -> None:
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.call("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Enter": 13, "Escape": 27}[key]
        known = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **known, **text)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    async def click(self, selector: str) -> None:
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def text(self, selector: str) -> str:
        """What is in all the elements, each on lines of its own."""
        found = f"document.querySelectorAll({json.dumps(selector)})"
        return str(await self.run(f"Array.from({found}, (one) => one.textContent).join('\\n')"))

    async def picture(self, path: Path) -> None:
        """A screenshot, as PNG."""
        told = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(told["data"]))

    def hear(self, event: str, params: dict[str, Any]) -> None:
        match event:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                request = params["request"]
                self.requests.append((request["url"], request["headers"]))
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.wrong.append(details.get("exception", {}).get("description", str(details)))
            case "Log.entryAdded" if params["entry"]["source"] != "network":
                self.wrong.append(params["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.wrong.append(f"a dialog: {params['message']}")

    async def _loading(self, method: str, **params: Any) -> None:
        self._loaded.clear()
        await self.call(method, **params)
        async with asyncio.timeout(_PATIENCE):
            await self._loaded.wait()


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser with a profile of its own, gone at the end with all its processes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        theirs, to_it = os.pipe()
        from_it, theirs_too = os.pipe()
        options = [*_OPTIONS, f"--user-data-dir={folder}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f'exec "$@" 3<&{theirs} 4>&{theirs_too}', "bash"),
            *(str(CHROMIUM), *options),
            pass_fds=(theirs, theirs_too),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": folder},
        )
        os.close(theirs)
        os.close(theirs_too)
        browser = Browser(await _reader(from_it), await _writer(to_it))
        try:
            yield browser
            await browser.call("Browser.close")
            await asyncio.wait_for(process.wait(), 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await browser.close()


async def _reader(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=_LARGEST)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb"))
    return reader


async def _writer(fd: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(fd, "wb")
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
