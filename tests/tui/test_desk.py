"""The desk without any widgets: tabs, messages, attempts, and what is kept of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ssechat.core.draft import Draft
from ssechat.core.errors import KeyProblem
from ssechat.hub import Hub
from ssechat.tui.desk import STILL_COMING, Desk
from ssechat.tui.tab import Tab
from support.app import QuietSession, chunk, configure
from support.fault_server import FaultServer, Request, Wire


class Provider:
    """Answers each question with its number, once it may. `open` lets all go on."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.cuts = False

    async def __call__(self, request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(404)
            return
        await wire.open_stream()
        await wire.event(chunk(f"answer to {request.json()['messages'][-1]['content']}"))
        if self.cuts:
            wire.cut()
            return
        await self.open.wait()
        await wire.event(chunk(finish_reason="stop"))
        await wire.end()


class Sitting:
    """A desk with what it said and how often it wanted to be drawn."""

    def __init__(self, session: QuietSession) -> None:
        self.said: list[tuple[str, str]] = []
        self.drawn: list[Tab] = []
        choice = session.choose(profile=None, model=None, demo=False)
        self.desk = Desk(session, choice, lambda *said: self.said.append(said), self.drawn.append)

    @property
    def tab(self) -> Tab:
        return self.desk.tab

    async def ask(self, text: str) -> bool:
        self.desk.take(self.tab, Draft(text))
        return await self.desk.send(self.tab)

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.desk.look()
                await asyncio.sleep(0.005)

    async def answered(self, tab: Tab | None = None) -> None:
        tab = tab or self.tab
        await self.until(lambda: not tab.busy)
        await tab.live.ended.wait()

    def texts(self) -> list[str]:
        return [getattr(item, "text", "") or item.reply.answer for item in self.tab.page.items]


@pytest.fixture
def provider() -> Provider:
    return Provider()


@asynccontextmanager
async def sitting() -> AsyncIterator[Sitting]:
    session = await QuietSession.open()
    try:
        sitting = Sitting(session)
        await sitting.desk.restore()
        await sitting.desk.take_up()
        yield sitting
        await sitting.desk.save()
    finally:
        await session.close()


@pytest.fixture
async def seat(home: Path, provider: Provider) -> AsyncIterator[Sitting]:
    async with FaultServer(provider) as server:
        configure(home, server.base_url)
        async with sitting() as seat:
            yield seat


async def test_a_stop_while_the_new_answer_is_being_shown_stops_it(
    seat: Sitting, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Tab.load

    async def stopped_meanwhile(tab: Tab, *given: Any, **more: Any) -> None:
        assert seat.desk.stop()
        await load(tab, *given, **more)

    monkeypatch.setattr(Tab, "load", stopped_meanwhile)
    provider.open.clear()
    assert await seat.ask("one")
    live = seat.tab.live
    async with asyncio.timeout(10):
        await live.ended.wait()
    assert live.end == "stopped"


async def test_a_question_and_its_answer_stand_on_the_page(seat: Sitting) -> None:
    assert await seat.ask("one")
    await seat.answered()
    assert await seat.ask("two")
    await seat.answered()
    assert seat.texts() == ["one", "answer to one", "two", "answer to two"]
    assert seat.tab.label.title == "one"
    assert seat.tab.label.badge.text == "✓"


async def test_a_message_on_its_way_stands_on_the_page_and_is_kept(
    seat: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = asyncio.Event()

    async def submit(*_: object) -> None:
        await decided.wait()
        raise KeyProblem("no key", remedy="find it")

    monkeypatch.setattr(Hub, "submit", submit)
    seat.desk.take(seat.tab, Draft("one"))
    sending = asyncio.create_task(seat.desk.send(seat.tab))
    await asyncio.sleep(0)
    assert seat.texts() == ["one"]
    assert seat.tab.kept.whole == "one"
    assert not seat.desk.may_ask(seat.tab)
    decided.set()
    assert not await sending
    assert seat.texts() == []
    assert seat.tab.kept.whole == ""
    assert seat.desk.may_ask(seat.tab)
    assert seat.said[-1] == ("no key — find it", "error")


async def test_a_message_whose_sending_is_cancelled_is_kept_for_the_next_start(
    seat: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def submit(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(Hub, "submit", submit)
    seat.desk.take(seat.tab, Draft("one"))
    seat.tab.draft = Draft("two")
    sending = asyncio.create_task(seat.desk.send(seat.tab))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait({sending})
    await seat.desk.save()
    journal = seat.desk.session.journal
    await journal.release()
    (row,) = await journal.take_tabs()
    assert row.draft.whole == "one\ntwo"


async def test_a_stop_while_a_message_is_on_its_way_is_not_forgotten(
    seat: Sitting, provider: Provider
) -> None:
    provider.open.clear()
    seat.desk.take(seat.tab, Draft("one"))
    assert seat.desk.stop()
    assert seat.tab.pieces[0].text == "stopping"
    assert await seat.desk.send(seat.tab)
    await seat.answered()
    assert seat.tab.pieces[0].text == "stopped"


async def test_nothing_can_be_asked_while_an_answer_comes(
    seat: Sitting, provider: Provider
) -> None:
    provider.open.clear()
    await seat.ask("one")
    assert not seat.desk.may_ask(seat.tab)
    await seat.desk.retry(seat.tab)
    assert seat.said == [(STILL_COMING, "warning")] * 2
    provider.open.set()
    await seat.answered()
    assert seat.desk.may_ask(seat.tab)


async def test_a_retry_is_a_new_attempt_and_the_earlier_ones_stay(seat: Sitting) -> None:
    await seat.ask("one")
    await seat.answered()
    first = seat.tab.leaf.id
    await seat.desk.retry(seat.tab)
    await seat.answered()
    assert seat.tab.leaf.id != first
    assert seat.tab.page.items[-1].attempt == (2, 2)
    await seat.desk.turn(seat.tab, -1)
    assert seat.tab.leaf.id == first
    assert seat.tab.page.items[-1].attempt == (1, 2)
    await seat.desk.turn(seat.tab, -1)
    assert seat.said[-1] == ("this is the first of 2 attempts", "information")


async def test_there_is_nothing_to_retry_turn_or_resume_at_first(seat: Sitting) -> None:
    await seat.desk.retry(seat.tab)
    await seat.desk.turn(seat.tab, -1)
    await seat.desk.resume(seat.tab)
    assert [text for text, _ in seat.said] == [
        "there is nothing to retry yet",
        "there is no answer yet",
        "there is no cut answer to resume here",
    ]
    assert not seat.desk.stop()


async def test_a_stream_that_ends_in_a_hidden_tab_is_unread_until_it_is_seen(
    seat: Sitting, provider: Provider
) -> None:
    provider.open.clear()
    await seat.ask("one")
    first = seat.tab
    seat.desk.new()
    provider.open.set()
    await seat.answered(first)
    seat.desk.look()
    assert [label.unread for label in seat.desk.labels] == [True, False]
    seat.desk.go(0)
    assert [label.unread for label in seat.desk.labels] == [False, False]


async def test_a_tab_that_is_closed_leaves_its_stream_and_the_last_one_an_empty_tab(
    seat: Sitting, provider: Provider
) -> None:
    provider.open.clear()
    await seat.ask("one")
    live = seat.tab.live
    conversation = seat.tab.conversation_id
    seat.desk.close()
    assert len(seat.desk.tabs) == 1
    assert seat.tab.conversation is None
    assert live.outcome is None
    assert seat.said == [
        ("the answer goes on without the tab while ssechat runs; F2 opens it again", "information")
    ]
    await seat.desk.open(conversation)
    assert seat.tab.live is live
    provider.open.set()
    await seat.answered()
    assert seat.texts() == ["one", "answer to one"]


async def test_opening_a_conversation_goes_to_its_tab_if_it_has_one(seat: Sitting) -> None:
    await seat.ask("one")
    await seat.answered()
    seat.desk.new()
    await seat.desk.open(seat.desk.tabs[0].conversation_id)
    assert seat.desk.active == 0
    assert len(seat.desk.tabs) == 2


async def test_opening_a_conversation_leaves_a_draft_alone(seat: Sitting) -> None:
    await seat.ask("one")
    await seat.answered()
    conversation = seat.tab.conversation_id
    seat.desk.close()
    seat.tab.draft = Draft("half a thought")
    await seat.desk.open(conversation)
    assert [tab.draft.typed for tab in seat.desk.tabs] == ["half a thought", ""]
    assert seat.desk.active == 1


async def test_numbers_beyond_the_tabs_go_nowhere(seat: Sitting) -> None:
    seat.desk.new()
    for number in (-1, 2, 8):
        seat.desk.go(number)
        assert seat.desk.active == 1


async def test_quitting_warns_only_of_what_it_would_cut(seat: Sitting, provider: Provider) -> None:
    assert seat.desk.quit_warning() == ""
    provider.open.clear()
    await seat.ask("one")
    warning = "an answer is still coming and would be cut; ctrl+q again quits and keeps the text"
    assert seat.desk.quit_warning() == warning
    seat.desk.new()
    await seat.ask("two")
    assert seat.desk.quit_warning().startswith("2 answers are still coming")
    provider.open.set()
    for tab in seat.desk.tabs:
        await seat.answered(tab)
    assert seat.desk.quit_warning() == ""


async def test_the_next_start_opens_the_same_tabs(home: Path, provider: Provider) -> None:
    async with FaultServer(provider) as server:
        configure(home, server.base_url)
        async with sitting() as seat:
            await seat.ask("one")
            await seat.answered()
            seat.tab.draft = Draft("more of one")
            seat.desk.new()
            seat.desk.new()
            seat.tab.draft = Draft("三")
            seat.desk.go(0)
        async with sitting() as seat:
            assert [tab.label.title for tab in seat.desk.tabs] == ["one", "new"]
            assert [tab.draft.typed for tab in seat.desk.tabs] == ["more of one", "三"]
            assert seat.desk.active == 0
            assert seat.texts() == ["one", "answer to one"]


async def test_a_cut_is_known_to_be_one_after_a_restart(home: Path, provider: Provider) -> None:
    provider.cuts = True
    async with FaultServer(provider) as server:
        configure(home, server.base_url)
        async with sitting() as seat:
            await seat.ask("one")
            await seat.answered()
            assert seat.tab.pieces[0].text == "cut (F6 continues)"
        async with sitting() as seat:
            assert seat.tab.pieces[0].text == "cut (F6 continues)"
            assert seat.tab.label.badge.text == "✗"
            assert seat.desk.may_ask(seat.tab)


async def test_a_cut_that_is_shown_and_not_written_yet_is_resumed_all_the_same(
    seat: Sitting, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = seat.desk.session.journal
    settle, written = journal.settle, asyncio.Event()

    async def slowly(*about: Any) -> None:
        await written.wait()
        await settle(*about)

    monkeypatch.setattr(journal, "settle", slowly)
    provider.cuts = True
    await seat.ask("one")
    await seat.until(lambda: seat.tab.live.outcome is not None)
    provider.cuts = False
    resuming = asyncio.ensure_future(seat.desk.resume(seat.tab))
    await asyncio.sleep(0)
    written.set()
    await resuming
    await seat.answered()
    assert seat.tab.live.outcome.end == "complete"
