"""The desk: the open tabs and what a user does with them. It knows no widgets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from ssechat.core.deltas import EndState
from ssechat.core.draft import Draft
from ssechat.core.errors import Problem
from ssechat.core.safe import clean_line
from ssechat.hub import Question
from ssechat.hub.joining import Elsewhere
from ssechat.journal import TabRow
from ssechat.profiles import Choice
from ssechat.session import Session
from ssechat.settings import Profile
from ssechat.tui.status import TabLabel
from ssechat.tui.tab import Tab
from ssechat.tui.transcript.page import UserItem

Severity = Literal["information", "warning", "error"]
Say = Callable[[str, Severity], None]
"""Tell the user something."""

_OUTGOING = "outgoing"
_RESUMABLE = frozenset(
    {EndState.CUT, EndState.FAILED, EndState.EXPIRED, EndState.STOPPED, EndState.LENGTH}
)
STILL_COMING = "an answer is still coming; your draft is kept (escape stops it)"


def _left_running(tab: Tab) -> str:
    """What becomes of the answer of a tab that is closed."""
    if tab.live is not None and tab.live.outlives:
        return "the answer goes on without the tab, and if you quit; F2 opens it again"
    return "the answer goes on without the tab while ssechat runs; F2 opens it again"


class Desk:
    """Tabs, the active one among them, and the verbs. `changed` is called when one must be drawn,
    `moved` whenever its stream has done something.

    What a verb refuses, and why, goes through `say`. Verbs may raise Problem.
    """

    def __init__(
        self,
        session: Session,
        choice: Choice,
        say: Say,
        changed: Callable[[Tab], None],
        moved: Callable[[Tab], None] = lambda _: None,
    ) -> None:
        self.session = session
        self.profile = choice.profile
        self._moved = moved
        self.tabs: list[Tab] = [Tab(choice.profile, moved)]
        self.active = 0
        self._saved: list[TabRow] | None = None
        self.drafts_lost = False
        self._say = say
        self._changed = changed

    @property
    def tab(self) -> Tab:
        return self.tabs[self.active]

    @property
    def labels(self) -> list[TabLabel]:
        return [tab.label for tab in self.tabs]

    # Tabs.

    async def restore(self) -> None:
        """Open the tabs that were open, with their drafts, as the journal has them."""
        rows = await self.session.journal.take_tabs()
        tabs = []
        for row in rows:
            tab = Tab(self.profile, self._moved)
            tab.draft = row.draft
            if row.conversation_id is not None:
                await self._show(tab, row.conversation_id)
            tabs.append(tab)
        if tabs:
            first = self.tabs[0]
            if first.conversation is not None or first.kept:
                tabs.append(first)
            self.tabs = tabs
            self.active = next((n for n, row in enumerate(rows) if row.active), 0)

    async def take_up(self, *, take_over: bool = False) -> None:
        """Go on with the streams that another process left; their tabs follow them. `take_over`:
        with those of other windows, too."""
        lives = await self.session.hub.take_up(take_over=take_over)
        taken = {live.message_id for live in lives}
        for tab in tuple(self.tabs):
            if tab.leaf is not None and tab.leaf.id in taken:
                await self._show(tab, tab.leaf.conversation_id, notes=True)
                self._changed(tab)

    def look(self) -> None:
        """Notice what the streams did since the last look."""
        for tab in self.tabs:
            if tab.moved and tab is not self.tab and not tab.running:
                tab.unread = True
            tab.moved = False

    async def save(self) -> None:
        """Write down which tabs are open, and their drafts."""
        rows = [
            TabRow(tab.conversation_id, tab.kept, number == self.active)
            for number, tab in enumerate(self.tabs)
            if tab.conversation_id or tab.kept
        ]
        if rows != self._saved:
            self.drafts_lost = True
            await self.session.journal.save_tabs(rows)
            self._saved = rows
            self.drafts_lost = False

    def new(self) -> None:
        self.tabs.append(Tab(self.tab.profile, self._moved))
        self.go(len(self.tabs) - 1)

    def close(self) -> None:
        """Close the active tab. Its stream goes on; the last tab becomes an empty one."""
        tab = self.tabs.pop(self.active)
        if tab.busy:
            self._say(_left_running(tab), "information")
        tab.release()
        if not self.tabs:
            self.tabs.append(Tab(tab.profile, self._moved))
        self.go(min(self.active, len(self.tabs) - 1))

    def go(self, index: int) -> None:
        if 0 <= index < len(self.tabs):
            self.active = index
            self.tab.unread = False
            self._changed(self.tab)

    async def open(self, conversation_id: str) -> None:
        """Go to the conversation's tab, or give it one."""
        for number, tab in enumerate(self.tabs):
            if tab.conversation_id == conversation_id:
                self.go(number)
                return
        if self.tab.conversation is not None or self.tab.kept:
            self.new()
        await self._load(self.tab, conversation_id)
        self._changed(self.tab)

    async def join(self, there: Elsewhere) -> None:
        """Show an answer that runs at a relay, in a tab of its own."""
        await self.open(await self.session.hub.join(there))

    # Messages.

    def may_ask(self, tab: Tab) -> bool:
        """Whether a question can be sent in `tab`; if not, says why."""
        if tab.busy:
            self._say(STILL_COMING, "warning")
        return not tab.busy

    def take(self, tab: Tab, message: Draft) -> None:
        """Take a message over; `send` sends it."""
        tab.sending, tab.outgoing, tab.draft = True, message, Draft()
        tab.page.put(UserItem(_OUTGOING, message.whole, time.time()))

    async def send(self, tab: Tab) -> bool:
        """Send the message that was taken over; False if that failed, and it must be the user's
        draft again. If we are cancelled meanwhile it stays the tab's."""
        sent = await self._submit(tab, tab.outgoing.whole, tab.leaf.id if tab.leaf else None)
        self.drop(tab)
        return sent

    def drop(self, tab: Tab) -> None:
        """The message taken over is in the journal, or the user's again."""
        tab.sending, tab.outgoing = False, Draft()
        tab.page.drop(_OUTGOING)

    async def retry(self, tab: Tab) -> None:
        """Ask the last question again; the earlier answers stay in reach."""
        asked = next((row for row in reversed(tab.path) if row.role == "user"), None)
        if asked is None:
            self._say("there is nothing to retry yet", "warning")
        elif self.may_ask(tab):
            await self._submit(tab, None, asked.id)

    async def turn(self, tab: Tab, step: int) -> None:
        """Show the attempt before (-1) or after (1) the last answer."""
        leaf = tab.leaf
        if leaf is None or leaf.role != "assistant":
            self._say("there is no answer yet", "information")
            return
        attempts = [row.id for row in await self.session.journal.attempts(leaf.id)]
        at = attempts.index(leaf.id) + step
        if not 0 <= at < len(attempts):
            where = "first" if step < 0 else "last"
            only = "this is the only attempt; ctrl+r makes another"
            many = f"this is the {where} of {len(attempts)} attempts"
            self._say(many if len(attempts) > 1 else only, "information")
            return
        await self.session.journal.set_head(leaf.conversation_id, attempts[at])
        await self._load(tab, leaf.conversation_id)
        self._say(f"attempt {at + 1} of {len(attempts)}", "information")
        self._changed(tab)

    def stop(self) -> bool:
        """End the generation in the active tab; False if there is none."""
        tab = self.tab
        if tab.sending:
            tab.stop_asked = True
            self._changed(tab)
            return True
        if tab.live is None or not tab.running:
            return False
        if tab.live.followed:
            self._say("read by another window; F6 takes it over", "warning")
        else:
            self.session.hub.stop(tab.live)
        return True

    async def resume(self, tab: Tab) -> None:
        """Try at once if it waits; take over what another window reads; go on with an answer that
        ended too early, on its stream or by a new request."""
        live = tab.live
        if live is not None and live.outcome is not None and live.unsaved is None:
            await live.ended.wait()  # the bar says so a moment before it is written
        if live is not None and tab.running:
            if live.followed and await self.session.hub.take_over(live):
                self._say("this window reads the answer now", "information")
            self.session.hub.wake(live)
            return
        leaf = tab.leaf
        state = live.outcome.end if live and live.outcome else leaf and leaf.state
        if leaf is None or leaf.stream_id is None or state not in _RESUMABLE:
            self._say("there is no cut answer to resume here", "information")
            return
        await self.session.hub.resume(leaf.stream_id, by_request=True)
        await self._load(tab, leaf.conversation_id)
        self._changed(tab)

    def detach(self, tab: Tab) -> None:
        """Leave the answer to the server; F6 fetches it later."""
        live = tab.live
        if live is None or not tab.running or live.followed:
            self._say("there is no answer to detach from", "information")
        elif self.session.hub.detach(live):
            told = "detached: the server goes on; F6 fetches the rest"
            named = live.machine.ended
            self._say(told if named else "detaches once the server has named it", "information")
        else:
            self._say("this answer would end with our connection; escape stops it", "warning")

    def choose(self, profile: Profile) -> None:
        """`profile` answers in this tab from now on, and in new ones."""
        self.profile = self.tab.profile = profile
        self._changed(self.tab)

    # What a quit would cost.

    @property
    def unsaved(self) -> list[str]:
        """Answers, and drafts, that the journal could not take so far."""
        replies = [live.fold.reply for live in self.session.hub.lives if live.unsaved is not None]
        drafts = [tab.kept.whole for tab in self.tabs] if self.drafts_lost else []
        return [text for text in [*(r.answer or r.thinking for r in replies), *drafts] if text]

    def quit_warning(self) -> str:
        """What a quit would end or leave unsaved; "" if nothing."""
        lives = [live for live in self.session.hub.lives if not live.followed]
        if self.unsaved:
            return "not all could be saved; ctrl+q again writes it to a file and quits"
        fragile = sum(not live.outlives and live.outcome is None for live in lives)
        if fragile:
            what = "an answer is" if fragile == 1 else f"{fragile} answers are"
            return f"{what} still coming and would be cut; ctrl+q again quits and keeps the text"
        return ""

    @property
    def left_running(self) -> str:
        """What goes on at its server after a quit; "" if nothing does."""
        lives = self.session.hub.lives
        count = sum(
            live.outlives and live.outcome is None and not live.followed and not live.stopping
            for live in lives
        )
        if not count:
            return ""
        what = "1 answer goes" if count == 1 else f"{count} answers go"
        return f"ssechat: {what} on at the server; the next start of ssechat shows the rest"

    async def _submit(self, tab: Tab, text: str | None, parent: str | None) -> bool:
        tab.sending = True
        self._changed(tab)
        try:
            profile = await self.session.ready(tab.profile)
            question = Question(
                profile, text=text, conversation_id=tab.conversation_id, parent_id=parent
            )
            live = await self.session.hub.submit(question)
            if tab.stop_asked:
                self.session.hub.stop(live)
            await self._load(tab, live.conversation_id)
            if tab.stop_asked:  # perhaps in the meantime
                self.session.hub.stop(live)
        except Problem as problem:
            self.report(problem)
            return False
        finally:
            tab.sending = tab.stop_asked = False
            self._changed(tab)
        return True

    async def _load(self, tab: Tab, conversation_id: str) -> None:
        """Show the conversation; a stream of another window's is followed."""
        await self._show(tab, conversation_id)
        if tab.running and tab.live is None:
            await self.session.hub.take_up()
            await self._show(tab, conversation_id)

    async def _show(self, tab: Tab, conversation_id: str, *, notes: bool = False) -> None:
        try:
            await tab.load(self.session.hub, conversation_id, notes=notes)
        except Problem as problem:
            self.report(problem)

    def report(self, problem: Problem) -> None:
        """Say what went wrong and what can be done."""
        self._say(clean_line(" — ".join(str(problem).splitlines()), 400), "error")
