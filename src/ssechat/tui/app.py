"""The app: wiring. Keys go to verbs, verbs to the desk, the desk's changes to three widgets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.screen import Screen

from ssechat import paths
from ssechat.core.draft import Draft, joined
from ssechat.core.errors import JournalProblem, Problem
from ssechat.core.safe import clean_line
from ssechat.profiles import Choice
from ssechat.session import Session
from ssechat.tui import bugs, themes
from ssechat.tui.actions import keymap
from ssechat.tui.desk import Desk, Severity
from ssechat.tui.driver import SsechatDriver
from ssechat.tui.driver_signals import install_signals
from ssechat.tui.ending import TidyEnd
from ssechat.tui.key_reader import TAB, KeyReader
from ssechat.tui.paint.cadence import Cadence
from ssechat.tui.paint.flush import flush
from ssechat.tui.screens.base import BaseScreen
from ssechat.tui.tab import Tab
from ssechat.tui.transcript.slices import ThinkingMode
from ssechat.tui.verbs import VERBS
from ssechat.tui.warm import warm_up
from ssechat.tui.welcome import welcome
from ssechat.tui.widgets.composer import Composer
from ssechat.tui.widgets.find_bar import FindBar
from ssechat.tui.widgets.in_order import settled
from ssechat.tui.widgets.status_bar import StatusBar
from ssechat.tui.widgets.tab_strip import TabStrip
from ssechat.tui.widgets.transcript import Transcript

_GLANCE = 1 / 4  # s between looks at figures and badges
_SAVE_TIME = 2.0  # s that saving may take, another program's lock included
_SAVE = 2.0  # s between looks at drafts
_READ = 5.0  # s that a toast stays


class SsechatApp(TidyEnd[int], inherit_bindings=False):
    """The full-screen app on an open session. Exits with a code; says nothing on the terminal.

    `idle` is called now and then while nothing streams.
    """

    CSS = """
    Transcript { height: 1fr; }
    ToastRack { dock: top; margin: 1 0 0 0; }
    Toast { padding: 0 1; margin: 0; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "Composer"

    def __init__(
        self,
        session: Session,
        choice: Choice,
        *,
        take_over: bool = False,
        idle: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(driver_class=SsechatDriver)
        self.session = session
        self.choice = choice
        self.take_over = take_over
        self.idle = idle
        self.keymap = keymap(session.settings.keys)
        self.desk = Desk(session, choice, self.say, self._tab_changed, self._tab_moved)
        self.cadence = Cadence(
            self._frame, round_trip=lambda: self.round_trip, fast=1 / session.settings.ui.fps
        )
        self.keys = KeyReader(self.keymap)
        self.quit_asked = False
        self.parting = ""
        self.trouble = ""
        self.find_bar: FindBar | None = None
        self._shown: Tab | None = None
        self._stale = True
        self._register_themes()

    def compose(self) -> ComposeResult:
        yield TabStrip()
        yield Transcript(
            thinking_hint=self._key_of("view.thinking"), media_hint=self._key_of("chat.media")
        )
        yield Composer()
        yield StatusBar()

    def _key_of(self, action_id: str) -> str:
        """What a user presses for it; "" if nothing."""
        return next(iter(self.keymap.keys_of(action_id)), "")

    def get_default_screen(self) -> Screen[None]:
        return BaseScreen(id="_default")

    @property
    def composer(self) -> Composer:
        return self.screen_stack[0].query_one(Composer)

    @property
    def transcript(self) -> Transcript:
        return self.screen_stack[0].query_one(Transcript)

    def say(self, text: str, severity: Severity = "information") -> None:
        """A toast; its text is never markup."""
        seconds = _READ if severity == "information" else 2 * _READ
        self.notify(clean_line(text, 400), severity=severity, timeout=seconds, markup=False)

    # From the first paint to the last.

    async def on_load(self) -> None:
        install_signals(self, self.save)
        asyncio.get_running_loop().set_exception_handler(self._stray)

    def _stray(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A task of nobody's failed. (Python may say so in any thread.)"""
        if isinstance(error := context.get("exception"), Exception):
            loop.call_soon_threadsafe(self.desk.report, bugs.told(error))

    async def on_mount(self) -> None:
        self.transcript.thinking_mode = ThinkingMode(self.session.settings.ui.thinking)
        self.session.background.say = self.desk.report
        try:
            self.composer.remember(await self.session.journal.prompts())
            await self.desk.restore()
        except Problem as problem:
            self.desk.report(problem)
        self.desk.tab.draft += self.composer.draft  # typed in the meantime
        self.show_tab()
        self.desk.tab.warn(
            [
                *map(str, self.session.warnings),
                *self.keymap.problems,
                *paths.loose_permissions(paths.private_paths()),
            ]
        )
        self.set_interval(_GLANCE, self._glance)
        self.set_interval(_SAVE, self._save_at_ease)
        self.start(self.desk.take_up(take_over=self.take_over))
        self.call_after_refresh(lambda: self.start(self._settle_in()))

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Do `work` beside the event loop's other work. If it fails the user is told."""
        self.run_worker(self._told(work), exit_on_error=False)

    async def _told(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the app can go on; what failed says so
            self.desk.report(bugs.told(error))

    async def _save_at_ease(self) -> None:
        await self.save()
        if not self.session.hub.lives:
            self.idle()

    async def save(self) -> None:
        """Put everything that must survive on disk, as far as it can be."""
        self.keep_draft()
        try:
            async with asyncio.timeout(_SAVE_TIME):
                await self.desk.save()
                await self.session.journal.flush()
        except TimeoutError:
            self.trouble = "ssechat: the journal is locked by another program"
        except JournalProblem as problem:
            self.trouble = f"ssechat: {clean_line(str(problem), 400)}"
        else:
            self.trouble = ""

    async def _settle_in(self) -> None:
        """What may take a moment and must not hold up the first paint; first what the first
        question needs, last what only the answer does."""
        if profile := self.desk.tab.profile:
            with suppress(Problem):  # the request that needs it will say so
                await self.session.prepare(profile)
        await welcome(self.desk, self.choice)
        self._bars_changed()
        await asyncio.to_thread(warm_up)
        await self.session.journal.purge()

    def keep_draft(self) -> None:
        """Let the tab have what stands in the composer."""
        if self._shown is not None and self.screen_stack:
            self._shown.draft = self.composer.draft

    def give_back(self, tab: Tab, message: Draft) -> None:
        """`message` could not be sent: it is the draft again, before what was typed since."""
        self.keep_draft()
        tab.draft = joined(message, tab.draft)
        if tab is self._shown:
            self.composer.show(tab.draft)

    # Painting: the widgets pull, nothing is pushed.

    def _tab_changed(self, tab: Tab) -> None:
        self._bars_changed()

    def _tab_moved(self, tab: Tab) -> None:
        if tab is self.desk.tab:  # the badges of the others wait for the next glance
            self.cadence.wanted()

    def show_tab(self) -> None:
        """Bind the one transcript and composer to the active tab."""
        tab = self.desk.tab
        if self._shown is not tab:
            if self._shown is not None and self._shown in self.desk.tabs:
                self.keep_draft()
            self._shown = tab
            self.composer.show(tab.draft)
        self.transcript.show(tab.page)
        self.composer.invite(tab.profile.model if tab.profile else "demo")
        self.desk.look()
        if self.is_running and self.can_paint:  # in one frame with what they belong to
            self.transcript.settle_scrollbar()
            self._show_bars()
            self.cadence.wanted()
        else:
            self._bars_changed()

    def _frame(self) -> bool:
        try:
            with self._context():  # it is asked for by streams, which know of no app
                return self._paint()
        except Exception as error:  # noqa: BLE001 - it ends the app, as it would in a widget
            self._handle_exception(error)
            return True

    def _paint(self) -> bool:
        """Show what has come in the visible tab; False if the terminal has to catch up first."""
        if not self.is_running or self._shown is None:  # when it ends, widgets go before timers
            return True
        if not self.can_paint:
            return False
        self._stale |= self.desk.tab.refresh()
        transcript = self.transcript
        transcript.pull()
        if self._stale:
            self._show_bars()
        if self.find_bar is not None:
            self.find_bar.show(transcript.found)
        flush(self.screen_stack[0], [transcript, *self._bars])
        if transcript.pending:
            self.cadence.wanted()
        return True

    def _glance(self) -> None:
        """Figures, badges and clocks, which change without anything having come."""
        self.desk.look()
        if self.is_running and self.can_paint:
            self.transcript.settle_scrollbar()
        self._bars_changed()

    @property
    def _bars(self) -> tuple[TabStrip, StatusBar]:
        base = self.screen_stack[0]
        return base.query_one(TabStrip), base.query_one(StatusBar)

    def _bars_changed(self) -> None:
        self._stale = True
        self.cadence.wanted()

    def _show_bars(self) -> None:
        self._stale = False
        strip, status = self._bars
        strip.show(self.desk.labels, self.desk.active)
        status.show(self.desk.tab.pieces, self.keys.hint)

    # Keys: what the registry knows never reaches a widget.

    async def on_event(self, event: events.Event) -> None:
        """Handle keys in the app's own queue, one after the other, as far as order matters.

        What opens or closes an overlay is done before the next key is looked at; so a burst goes
        where it would have gone had it been typed slowly.
        """
        if isinstance(event, events.Key) and not event.is_forwarded and self._on_base:
            self.app_focus = True  # a key says so, as for Textual; else overlays focus nothing
            if self.focused is None and self._shown is not None:
                self.screen.set_focus(self.composer)  # a click beside everything took it
            if await self.take_key(event):
                return
        await super().on_event(event)

    @property
    def _on_base(self) -> bool:
        """Whether no overlay is open."""
        return self.screen is self.screen_stack[0]

    async def take_key(self, event: events.Key) -> bool:
        """Run what the key is bound to; False if it is the focused widget's own."""
        leading = self.keys.leading
        if self.find_bar is not None and not leading and await self.find_bar.take_key(event.key):
            self.cadence.wanted()
            return True
        action = self.keys.action(event)
        if self.find_bar is not None and event.key == "escape":
            action = "chat.stop"
        if leading or self.keys.leading:
            self._bars_changed()
        if action != "app.clear" and not self.keys.leading:
            self.transcript.forget_dropped()
        if action:
            await settled(self.focused)  # letters before it may still wait in the widget's queue
            await self.run_verb(action)
        return action is not None

    def on_mouse_down(self) -> None:
        self.transcript.forget_dropped()

    async def on_key(self, event: events.Key) -> None:
        """A key that no overlay has taken."""
        if not self._on_base and self.keymap.direct.get(event.key) == "app.quit":
            await self.run_verb("app.quit")

    async def run_verb(self, action_id: str) -> None:
        """Do what a key or the palette asks for."""
        if action_id != "app.quit":
            self.quit_asked = False
        self.keep_draft()
        try:
            if action_id.startswith(TAB) and action_id not in VERBS:
                self.desk.go(int(action_id.removeprefix(TAB)) - 1)
                self.show_tab()
            else:
                await VERBS[action_id](self)
        except Problem as problem:
            self.desk.report(problem)
        self._bars_changed()

    @on(FindBar.Sought)
    def _sought(self) -> None:
        self.cadence.wanted()

    @on(TabStrip.Picked)
    def _picked(self, message: TabStrip.Picked) -> None:
        self.desk.go(message.index)
        self.show_tab()

    def _register_themes(self) -> None:
        found, problems = themes.load(paths.shipped_themes(), paths.user_themes_dir())
        for theme in found.values():
            self.register_theme(theme)
        theme, problem = themes.resolve(self.session.settings.ui.theme, found, paths.config_file())
        self.theme = theme.name
        self.session.warnings += [*problems, *([problem] if problem else [])]


async def run(
    session: Session,
    choice: Choice,
    *,
    take_over: bool = False,
    idle: Callable[[], object] = lambda: None,
) -> int:
    """Run the app to its end; its exit code. Last words go to standard error. Raises Problem."""
    app = SsechatApp(session, choice, take_over=take_over, idle=idle)
    await app.run_async(mouse=session.settings.ui.mouse)
    try:
        await app.save()
    except Exception as error:  # noqa: BLE001 - the first failure is the one to tell of
        app.failure = app.failure or bugs.told(error)
    if app.failure is not None:
        raise app.failure
    if last_words := app.parting or app.trouble:
        print(last_words, file=sys.stderr)
    return app.return_code or 0
