"""The main screens as text. After a change that is meant: UPDATE_GOLDENS=1 pytest …, and a look
at the diff of tests/tui/goldens/."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from support.app import Desktop, check_golden, chunk, configure, desktop
from support.fault_server import FaultServer, Request, Wire

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
THINKING = "The user asks about lifetimes.\n\nThe trap is `&'a mut T`: the borrow lasts too long."
ANSWER = """\
The first borrow lives as long as `'a`, and so the second one **overlaps** it:

```rust
fn push<'a>(v: &'a mut Vec<String>) { v.push("x".into()); }
```

1. Do not name the lifetime of `&mut self`.
2. 如果必须命名，就用两个名字。

| name | lives |
|---|---|
| `'a` | too long |
| `'_` | as long as it must |
"""


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    return request.param


class Script:
    """Thinks, waits for a word from the test, answers, and then ends as it is told."""

    def __init__(self, *, cut: bool = False) -> None:
        self.go_on = asyncio.Event()
        self._cut = cut

    async def __call__(self, request: Request, wire: Wire) -> None:
        if request.method == "GET":
            models = {"data": [{"id": "a-model"}, {"id": "a-larger-model"}]}
            await wire.reply(200, json.dumps(models), {"Content-Type": "application/json"})
            return
        await wire.open_stream()
        delta = {"choices": [{"index": 0, "delta": {"reasoning_content": THINKING}}]}
        await wire.event(json.dumps(delta))
        await self.go_on.wait()
        await wire.event(chunk(ANSWER))
        if self._cut:
            return
        usage = {"prompt_tokens": 10, "completion_tokens": 1024}
        await wire.event(chunk(finish_reason="stop"))
        await wire.event(json.dumps({"choices": [], "usage": usage}))
        await wire.event("[DONE]")
        await wire.end()


async def ask(desk: Desktop) -> None:
    await desk.ask("Why does `&'a mut T` make the second borrow fail?")
    await desk.until(lambda: "the borrow lasts too long" in desk.words)


async def test_the_first_start(size: str) -> None:
    async with desktop(demo=True, size=SIZES[size]) as desk:
        await desk.until(lambda: "Type a message" in desk.screen)
        await check_golden(f"first_start_{size}", desk)


async def test_thinking_then_the_finished_answer_then_history_and_models(
    home: Path, size: str
) -> None:
    script = Script()
    async with FaultServer(script) as server:
        configure(home, server.base_url)
        async with desktop(size=SIZES[size]) as desk:
            await ask(desk)
            await check_golden(f"thinking_{size}", desk)
            script.go_on.set()
            await desk.says("complete")
            await desk.until(lambda: "as long as it must" in desk.screen)
            await check_golden(f"finished_{size}", desk)
            await desk.pilot.press("f2")
            await desk.until(lambda: "2 msg" in desk.screen)
            await check_golden(f"history_{size}", desk)
            await desk.pilot.press("escape", "ctrl+l")
            await desk.until(lambda: "a-larger-model" in desk.screen)
            await check_golden(f"models_{size}", desk)


async def test_a_cut_answer(home: Path, size: str) -> None:
    script = Script(cut=True)
    script.go_on.set()
    async with FaultServer(script) as server:
        configure(home, server.base_url)
        async with desktop(size=SIZES[size]) as desk:
            await desk.ask("Why does `&'a mut T` make the second borrow fail?")
            await desk.says("cut")
            await desk.until(lambda: "connection lost" in desk.screen)
            await check_golden(f"cut_{size}", desk)


async def test_help(home: Path, size: str) -> None:
    configure(home, "http://127.0.0.1:9")
    async with desktop(size=SIZES[size]) as desk:
        await desk.until(lambda: "Type a message" in desk.screen)
        await desk.pilot.press("f1")
        await desk.until(lambda: "Every event is saved" in desk.words)
        await check_golden(f"help_{size}", desk)
