"""The built-in page in a real browser: reloads, restarts, stops, and output that means harm."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from support.browser import Browser, Page, browsing, needs_chromium
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import finish, say, thoughts
from support.relay_process import relay_process
from support.relays import Relaying, relaying

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_MODELS = json.dumps({"data": []})
STATUS = "document.querySelector('#status').textContent"
ANSWER = "document.querySelector('.answer .text')?.innerText.trim()"


def answering(handler: Handler) -> Handler:
    """`handler` for questions; a list of models for whoever asks for that."""

    async def both(request: Request, wire: Wire) -> None:
        if request.target.endswith("/models"):
            await wire.reply(200, NO_MODELS)
        else:
            await handler(request, wire)

    return both


def told(*texts: str) -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, *texts, ids="")
        await finish(wire)

    return answering(handler)


def held(go_on: asyncio.Event, before: str = "one ", after: str = "two") -> Handler:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(thoughts("hm"))
        await say(wire, before, ids="")
        await go_on.wait()
        await say(wire, after, ids="")
        await finish(wire)

    return answering(handler)


def questions(server: FaultServer) -> list[Request]:
    return [request for request in server.requests if not request.target.endswith("/models")]


async def enter(page: Page, url: str, token: str) -> None:
    await page.open(f"{url}/")
    await page.until("!document.querySelector('#gate').hidden")
    await page.write("#token", token)
    await page.press("Enter")
    await page.until("!document.querySelector('#dock').hidden")


async def ask(page: Page, text: str = "why?") -> None:
    await page.write("#prompt", text)
    await page.press("Enter")


async def ended(page: Page, word: str) -> None:
    await page.until(f"{STATUS} === {json.dumps(word)}")
    await page.until("document.querySelector('#stop').hidden")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests: it takes longer to start than they do."""
    async with browsing() as browser:
        yield browser


Reading = tuple[Page, Relaying, FaultServer]


@asynccontextmanager
async def reading(browser: Browser, folder: Path, handler: Handler) -> AsyncIterator[Reading]:
    """A page that has been let in. Fails if a script threw or the policy forbade something."""
    async with FaultServer(handler) as server, relaying(folder, server.base_url) as relay:
        page = await browser.page()
        await enter(page, relay.base_url, relay.token)
        yield page, relay, server
        assert page.wrong == []
        assert all(url.startswith((relay.base_url, "blob:")) for url, _ in page.requests)


async def test_what_the_browser_is_told_of_the_page(tmp_path: Path) -> None:
    async with (
        FaultServer(told()) as server,
        relaying(tmp_path, server.base_url) as relay,
        httpx.AsyncClient(base_url=relay.base_url) as nobody,
    ):
        page = await nobody.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in page.text
        assert "style=" not in page.text
        for name in ("page.js", "stream.js", "turn.js", "markdown.js", "page.css", "icon.svg"):
            file = await nobody.get(f"/static/{name}")
            assert file.status_code == 200
            assert file.headers["content-security-policy"] == policy
        assert (await nobody.get("/static/index.py")).status_code != 200
        assert (await nobody.get("/", headers={"Host": "evil.example"})).status_code == 421


@needs_chromium
async def test_a_token_is_asked_for_once_and_is_in_no_address(
    browser: Browser, tmp_path: Path
) -> None:
    async with (
        FaultServer(told("hello ", "there")) as server,
        relaying(tmp_path, server.base_url) as relay,
    ):
        page = await browser.page()
        await page.open(f"{relay.base_url}/")
        await page.until("!document.querySelector('#gate').hidden")
        assert await page.run("document.querySelector('#token').type") == "password"
        assert await page.text("#refused") == ""
        await page.write("#token", "sst_wrong")
        await page.press("Enter")
        await page.until("document.querySelector('#refused').textContent.includes('refused')")
        await page.write("#token", relay.token)
        await page.press("Enter")
        await page.until("!document.querySelector('#dock').hidden")
        await ask(page)
        await ended(page, "complete")
        await page.reload()
        await page.until(f"{ANSWER} === 'hello there'")
        await page.until("!document.querySelector('#dock').hidden")
        assert await page.run("document.querySelector('#gate').hidden")
        assert all(relay.token not in url for url, _ in page.requests)
        assert await page.run("localStorage.length + document.cookie.length") == 0
        assert page.wrong == []


@needs_chromium
async def test_an_answer_is_shown_while_it_comes(browser: Browser, tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with reading(browser, tmp_path, held(go_on)) as (page, _, server):
        await ask(page, "why?\nhow?")
        await page.until(f"{ANSWER} === 'one'")
        await page.until(f"{STATUS} === 'answering'")
        caret = "getComputedStyle(document.querySelector('.live .text p'), '::after').animationName"
        assert await page.run(caret) == "blink"
        assert await page.run("document.querySelector('.thinking').open") is False
        await page.click(".thinking summary")
        await page.until("document.querySelector('.thinking div').textContent === 'hm'")
        go_on.set()
        await ended(page, "complete")
        assert await page.run(ANSWER) == "one two"
        assert await page.run("document.querySelector('.live')") is None
        await ask(page, "and?")
        await ended(page, "complete")
        said = [(one["role"], one["content"]) for one in questions(server)[1].json()["messages"]]
        assert said == [("user", "why?\nhow?"), ("assistant", "one two"), ("user", "and?")]


@needs_chromium
async def test_reloaded_in_mid_answer_it_goes_on_from_where_it_was(
    browser: Browser, tmp_path: Path
) -> None:
    go_on = asyncio.Event()
    async with reading(browser, tmp_path, held(go_on)) as (page, _, server):
        await ask(page)
        await page.until(f"{ANSWER} === 'one'")
        await page.reload()
        await page.until(f"{STATUS} === 'resumed'")
        assert await page.run(ANSWER) == "one"
        url, headers = next(one for one in page.requests if one[0].endswith("/events"))
        assert headers["Last-Event-ID"].endswith(".1-2")
        assert "after=" not in url
        go_on.set()
        await ended(page, "complete")
        assert await page.run(ANSWER) == "one two"
        assert len(questions(server)) == 1


@needs_chromium
@pytest.mark.parametrize(
    "before",
    [
        # a cursor that is ahead of the log
        """for (const [name, value] of Object.entries(sessionStorage))
            sessionStorage[name] = value.replace(/(st_\\w+\\.1-)\\d+/, "$199")""",
        # a storage in which there is no room for the text
        """const set = Storage.prototype.setItem;
        Storage.prototype.setItem = function (name, value) {
            if (value.length > 2000) throw new DOMException("", "QuotaExceededError");
            set.call(this, name, value);
        }""",
    ],
)
async def test_what_was_not_kept_is_read_anew(
    browser: Browser, tmp_path: Path, before: str
) -> None:
    go_on = asyncio.Event()
    long = "x" * 4000
    async with reading(browser, tmp_path, held(go_on, long, " end")) as (page, _, server):
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        await page.reload()
        await page.until("!document.querySelector('#dock').hidden")
        await ask(page)
        await page.until(f"({ANSWER} ?? '').length === 4000")
        await page.reload()
        await page.until(f"({ANSWER} ?? '').length === 4000")
        go_on.set()
        await ended(page, "complete")
        assert await page.run(ANSWER) == f"{long} end"
        assert len(questions(server)) == 1


@needs_chromium
async def test_reloaded_before_the_answer_began_it_is_not_asked_twice(
    browser: Browser, tmp_path: Path
) -> None:
    go_on, asked = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        asked.set()
        await go_on.wait()
        await told("one")(request, wire)

    async with reading(browser, tmp_path, answering(handler)) as (page, _, server):
        await ask(page)
        async with asyncio.timeout(10):
            await asked.wait()
        await page.reload()
        go_on.set()
        await ended(page, "complete")
        assert await page.run(ANSWER) == "one"
        assert len(questions(server)) == 1


@needs_chromium
@pytest.mark.parametrize("goes_on", [True, False])
async def test_when_the_relay_is_killed_the_page_says_what_is_true(
    browser: Browser, tmp_path: Path, goes_on: bool
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream({"Location": "/streams/1"} if goes_on else {})
        if request.method == "POST":
            await say(wire, "one ", "two ", ids="e{}" if goes_on else "")
            await wire.hang()
        else:
            await say(wire, "three", first=3)
            await finish(wire, 4)

    async with FaultServer(answering(handler)) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            page = await browser.page()
            await enter(page, relay.url, relay.token)
            await ask(page)
            await page.until(f"{ANSWER} === 'one two'")
            relay.kill()
            await page.until(f"{STATUS}.startsWith('reconnecting')")
            relay.restart()
            await ended(page, "complete" if goes_on else "cut")
            assert await page.run(ANSWER) == ("one two three" if goes_on else "one two")
            assert "resumed ×1" in await page.text(".foot")
            assert ("Cut" in await page.text(".foot")) is not goes_on
            assert page.wrong == []
        posted = [request for request in questions(server) if request.method == "POST"]
        assert len(posted) == 1


@needs_chromium
@pytest.mark.parametrize("how", ["click", "Escape", "before it began"])
async def test_stop_ends_the_generation(browser: Browser, tmp_path: Path, how: str) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def handler(request: Request, wire: Wire) -> None:
        if how != "before it began":
            await wire.open_stream()
            await say(wire, "one", ids="")
        asked.set()
        await wire.peer_closed.wait()
        left.set()

    async with reading(browser, tmp_path, answering(handler)) as (page, *_):
        await ask(page)
        async with asyncio.timeout(10):
            await asked.wait()
        if how != "before it began":
            await page.until(f"{ANSWER} === 'one'")
        await (page.press("Escape") if how == "Escape" else page.click("#stop"))
        await ended(page, "stopped")
        assert "Stopped" in await page.text(".foot")
        assert "complete" not in await page.text("body")
        async with asyncio.timeout(10):
            await left.wait()


HOSTILE = """<img src=x onerror="window.harmed = 1"><script>window.harmed = 2</script>

[a link](javascript:alert`1`) [b](data:text/html,x) [bank.example](https://evil.example/x)
**<svg onload=alert(1)>** `<iframe src=//evil.example>` https://user@evil.example/

# <b onclick=alert(1)>

- <a href="javascript:alert(1)">x</a>

| <i>x</i> | y |
| --- | --- |
| <img src=x onerror=alert(1)> | z |

```html
</code></pre><script>window.harmed = 3</script>
```

\x1b]0;x\x07 \u202eevil\u202c \x00 \x9b31m"""


@needs_chromium
async def test_what_a_model_writes_stays_text(browser: Browser, tmp_path: Path) -> None:
    pieces = [HOSTILE[at : at + 7] for at in range(0, len(HOSTILE), 7)]
    async with reading(browser, tmp_path, told(*pieces)) as (page, *_):
        await ask(page, "<img src=x onerror='window.harmed = 4'>")
        await ended(page, "complete")
        log = "#log :is(img, script, svg, iframe, b, i, object, embed, form, style, link, audio)"
        assert await page.run(f"document.querySelectorAll('{log}').length") == 0
        assert await page.run("window.harmed ?? 0") == 0
        links = "Array.from(document.querySelectorAll('#log a'), (one) => [one.href, one.rel])"
        assert await page.run(links) == [["https://evil.example/x", "noopener noreferrer nofollow"]]
        text = await page.text(".answer .text")
        assert "bank.example (evil.example)" in text
        assert "[a link](javascript:alert`1`)" in text
        assert "\u241b]0;x\u2407 \ufffdevil\ufffd \u2400 \ufffd31m" in text
        attributes = "#log :is([onerror], [onclick], [onload], [style])"
        assert await page.run(f"document.querySelectorAll('{attributes}').length") == 0
        assert await page.run("document.querySelector('.said').textContent.startsWith('<img')")


def real_png() -> bytes:
    """A red picture of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + end

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")


@needs_chromium
async def test_only_pictures_of_known_types_are_shown(browser: Browser, tmp_path: Path) -> None:
    def picture(data: bytes) -> dict[str, object]:
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        elsewhere = {"type": "image_url", "image_url": {"url": "https://evil.example/a.png"}}
        images = [picture(real_png()), picture(b"<svg onload='window.harmed = 1'/>"), elsewhere]
        await wire.event(json.dumps({"choices": [{"index": 0, "delta": {"images": images}}]}))
        await finish(wire)

    async with reading(browser, tmp_path, answering(handler)) as (page, *_):
        await ask(page)
        await ended(page, "complete")
        await page.until("document.querySelector('.media img')?.naturalWidth === 1")
        assert await page.run("document.querySelectorAll('.media img').length") == 1
        assert "does not show" in await page.text(".media")
        assert "https://evil.example/a.png" in await page.text(".media a")
        await page.reload()
        await page.until("document.querySelectorAll('.media p').length === 3")


@needs_chromium
async def test_it_scrolls_along_only_at_the_bottom(browser: Browser, tmp_path: Path) -> None:
    go_on = asyncio.Event()
    long = "".join(f"line {n}\n\n" for n in range(80))
    far = "(document.scrollingElement.scrollHeight - scrollY - innerHeight)"
    async with reading(browser, tmp_path, held(go_on, before=long, after=long + "end")) as (
        page,
        *_,
    ):
        await ask(page)
        await page.until(f"({ANSWER} ?? '').includes('line 79') && scrollY > 500 && {far} < 5")
        await page.run("scrollTo(0, 300)")
        await page.until("!document.querySelector('#latest').hidden")
        go_on.set()
        await ended(page, "complete")
        assert await page.run("scrollY") == 300
        await page.click("#latest")
        await page.until(f"{far} < 5 && document.querySelector('#latest').hidden")


@needs_chromium
async def test_a_token_that_is_revoked_in_mid_answer_may_be_replaced(
    browser: Browser, tmp_path: Path
) -> None:
    go_on = asyncio.Event()
    async with reading(browser, tmp_path, held(go_on)) as (page, relay, server):
        await ask(page)
        await page.until(f"{ANSWER} === 'one'")
        assert await relay.relay.journal.revoke_token("me")
        await page.reload()
        await page.until("document.querySelector('#refused').textContent.includes('revoked')")
        await page.write("#token", await relay.relay.journal.add_token("me") or "")
        await page.press("Enter")
        go_on.set()
        await ended(page, "complete")
        assert await page.run(ANSWER) == "one two"
        assert len(questions(server)) == 1


@needs_chromium
async def test_what_is_refused_is_said_and_may_be_tried_again(
    browser: Browser, tmp_path: Path
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if len(questions(server)) == 1:
            await wire.reply(404, json.dumps({"error": {"message": "no such model"}}))
        else:
            await told("one")(request, wire)

    async with reading(browser, tmp_path, answering(handler)) as (page, _, server):
        await ask(page)
        await ended(page, "failed")
        assert "no such model" in await page.text(".foot")
        await page.click(".again")
        await ended(page, "complete")
        assert await page.text(".answer .text") == "one"
        assert await page.run("document.querySelectorAll('article').length") == 2


MARKDOWN = """One **two** `three`
four

# Head

1. a
   - b
2. c

```py
x = [1]

# no head
```
> said

| a | b |
| - | - |
| 1 | `2` |

[x](https://example.com/) https://example.com/y.
***
~~~
open"""


COMPARED = """import("/static/markdown.js").then(({ Markdown }) => {
    const text = TEXT, grown = document.createElement("div"), differing = [];
    const growing = new Markdown(grown);
    for (let at = 1; at <= text.length; at++) {
        const whole = document.createElement("div");
        growing.update(text.slice(0, at));
        new Markdown(whole).update(text.slice(0, at));
        if (whole.innerHTML !== grown.innerHTML) differing.push(text.slice(0, at));
    }
    return { differing, blocks: Array.from(grown.children, (one) => one.tagName).join(" ") };
})"""


@needs_chromium
async def test_text_that_comes_in_pieces_looks_like_the_whole(
    browser: Browser, tmp_path: Path
) -> None:
    async with reading(browser, tmp_path, told()) as (page, *_):
        told_by_page = await page.run(COMPARED.replace("TEXT", json.dumps(MARKDOWN)))
        blocks = "P H3 OL PRE BLOCKQUOTE DIV P HR PRE"
        assert told_by_page == {"differing": [], "blocks": blocks}


@needs_chromium
async def test_it_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    wide = "x" * 300 + "\n\n```\n" + "y" * 300 + "\n```\n\n| a | b |\n|---|---|\n| c | " + "z" * 300
    async with reading(browser, tmp_path, told(wide)) as (_, relay, _):
        phone = await browser.page(390, 844, dark=True)
        await enter(phone, relay.base_url, relay.token)
        await phone.write("#prompt", "why?")
        await phone.click("#send")
        await ended(phone, "complete")
        assert await phone.run("document.scrollingElement.scrollWidth") == 390
        assert phone.wrong == []
