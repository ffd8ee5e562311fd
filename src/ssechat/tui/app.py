"""The app: wiring. Keys go to verbs, verbs to the desk, the desk's changes to three widgets."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from textual import events, on
from textual.app import ComposeResult, SystemCommand
from textual.screen import ModalScreen, Screen

from ssechat import paths
from ssechat.core.errors import JournalProblem
from ssechat.core.safe import clean_line
from ssechat.profiles import Choice
from ssechat.session import Session
from ssechat.tui import themes
from ssechat.tui.actions import ACTIONS, BY_ID, LEADER, keymap, shown
from ssechat.tui.desk import Desk
from ssechat.tui.driver import SsechatDriver
from ssechat.tui.driver_display import GatedDisplay
from ssechat.tui.driver_signals import install_signals
from ssechat.tui.tab import Tab
from ssechat.tui.transcript.slices import ThinkingMode
from ssechat.tui.verbs import VERBS
from ssechat.tui.welcome import welcome
from ssechat.tui.widgets.composer import Composer
from ssechat.tui.widgets.status_bar import StatusBar
from ssechat.tui.widgets.tab_strip import TabStrip
from ssechat.tui.widgets.transcript import Transcript

_FRAME = 1 / 20  # s between looks at the visible answer
_GLANCE = 1 / 4  # s between looks at figures and badges
_SAVE = 2.0  # s between looks at drafts


class SsechatApp(GatedDisplay[int], inherit_bindings=False):
    """The full-screen app on an open session. Exits with a code; says nothing on the terminal."""

    CSS = """
    Transcript { height: 1fr; }
    """
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "f13"  # ctrl+p comes through the action registry
    AUTO_FOCUS = "Composer"

    def __init__(self, session: Session, choice: Choice) -> None:
        super().__init__(driver_class=SsechatDriver)
        self.session = session
        self.choice = choice
        self.keymap = keymap(session.settings.keys)
        self.desk = Desk(session, choice, self.say, self._tab_changed)
        self.leading = False
        self.quit_asked = False
        self.parting = ""
        self.trouble = ""
        self._shown: Tab | None = None
        self._stale = True
        self._register_themes()

    def compose(self) -> ComposeResult:
        yield TabStrip()
        yield Transcript()
        yield Composer(self.take_key)
        yield StatusBar()

    @property
    def composer(self) -> Composer:
        return self.screen_stack[0].query_one(Composer)

    @property
    def transcript(self) -> Transcript:
        return self.screen_stack[0].query_one(Transcript)

    def say(self, text: str, severity: str = "information") -> None:
        """A toast; its text is never markup."""
        self.notify(clean_line(text, 400), severity=severity, markup=False)  # type: ignore[arg-type]

    # From the first paint to the last.

    async def on_load(self) -> None:
        install_signals(self, self.save)

    async def on_mount(self) -> None:
        self.transcript.thinking_mode = ThinkingMode(self.session.settings.ui.thinking)
        self.composer.remember(await self.session.journal.prompts())
        await self.desk.restore()
        self.show_tab()
        for line in (*map(str, self.session.warnings), *self.keymap.problems):
            self.say(line, "warning")
        for line in paths.loose_permissions(paths.private_paths()):
            self.say(line, "warning")
        self.set_interval(_FRAME, self._frame)
        self.set_interval(_GLANCE, self._glance)
        self.set_interval(_SAVE, self.save)
        self.run_worker(self._settle_in(), exit_on_error=False)

    async def save(self) -> None:
        """Put everything that must survive on disk, as far as it can be."""
        self._keep_draft()
        try:
            await self.desk.save()
            await self.session.journal.flush()
        except JournalProblem as problem:
            self.trouble = f"ssechat: {clean_line(str(problem), 400)}"
        else:
            self.trouble = ""

    async def _settle_in(self) -> None:
        """What may take a moment and must not hold up the first paint."""
        await welcome(self.desk, self.choice)
        self._stale = True
        await self.session.journal.purge()

    def _keep_draft(self) -> None:
        if self._shown is not None and self.screen_stack:
            self._shown.draft = self.composer.text

    # Painting: the widgets pull, nothing is pushed.

    def _tab_changed(self, tab: Tab) -> None:
        self._stale = True

    def show_tab(self) -> None:
        """Bind the one transcript and composer to the active tab."""
        tab = self.desk.tab
        if self._shown is not tab:
            if self._shown is not None and self._shown in self.desk.tabs:
                self._keep_draft()
            self._shown = tab
            self.composer.set_text(tab.draft)
        self.transcript.show(tab.page)
        self.composer.invite(tab.profile.model if tab.profile else "demo")
        self._stale = True
        self._glance()

    def _frame(self) -> None:
        if not self.can_paint:
            return
        if self._shown is not self.desk.tab:
            self.show_tab()
        self.desk.tab.refresh()
        self.transcript.pull()
        if self._stale:
            self._glance()

    def _glance(self) -> None:
        self._stale = False
        if not self.can_paint or self._shown is None:
            return
        base = self.screen_stack[0]
        base.query_one(TabStrip).show(self.desk.labels, self.desk.active)
        hint = self._led_hint() if self.leading else ""
        base.query_one(StatusBar).show(self.desk.tab.pieces, hint)

    def _led_hint(self) -> str:
        pairs = (
            f"{shown(key)} {BY_ID[owner].label.lower()}" for key, owner in self.keymap.led.items()
        )
        return f"{LEADER} …  " + " · ".join(pairs)

    # Keys: what the registry knows never reaches a widget.

    async def take_key(self, event: events.Key) -> bool:
        """Run what the key is bound to; False if it is the composer's own.

        The composer asks, in the order of its keys: a key handled here at once would overtake
        letters that still wait in the composer's queue.
        """
        action = self._action_of(event)
        if action is None:
            return False
        if action:
            await self.run_verb(action)
        return True

    async def on_key(self, event: events.Key) -> None:
        """A key that no widget has taken, as when none has the focus."""
        if not isinstance(self.screen, ModalScreen) and await self.take_key(event):
            event.stop()

    def _action_of(self, event: events.Key) -> str | None:
        """The action that a key asks for; "" if it is swallowed, None if it is not ours."""
        if self.leading:
            self.leading = False
            self._stale = True
            return self._led(event)
        if event.key == LEADER:
            self.leading = self._stale = True
            return ""
        for key in (event.key, *event.aliases):
            if key in self.keymap.direct:
                return self.keymap.direct[key]
        if event.key.startswith("alt+") and event.key[4:] in "123456789":
            self.desk.go(int(event.key[4:]) - 1)
            return ""
        return None

    def _led(self, event: events.Key) -> str:
        if event.key in "123456789":
            self.desk.go(int(event.key) - 1)
            return ""
        return next(
            (self.keymap.led[k] for k in (event.key, *event.aliases) if k in self.keymap.led), ""
        )

    async def run_verb(self, action_id: str) -> None:
        """Do what a key or the palette asks for."""
        if action_id != "app.quit":
            self.quit_asked = False
        await VERBS[action_id](self)
        self._stale = True

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for action in ACTIONS:
            if action.in_palette:
                keys = ", ".join(self.keymap.keys_of(action.id)[:1])
                about = " · ".join(part for part in (action.help, keys) if part)
                yield SystemCommand(
                    action.label, about, lambda id=action.id: self.call_later(self.run_verb, id)
                )
        for name in self.available_themes:
            if not name.startswith("textual"):
                yield SystemCommand(f"Theme: {name}", "", lambda name=name: self._set_theme(name))

    def _set_theme(self, name: str) -> None:
        self.theme = name

    @on(TabStrip.Picked)
    def _picked(self, message: TabStrip.Picked) -> None:
        self.desk.go(message.index)

    def _register_themes(self) -> None:
        found, problems = themes.load(paths.shipped_themes(), paths.user_themes_dir())
        for theme in found.values():
            self.register_theme(theme)
        theme, problem = themes.resolve(self.session.settings.ui.theme, found, paths.config_file())
        self.theme = theme.name
        self.session.warnings += [*problems, *([problem] if problem else [])]


async def run(session: Session, choice: Choice) -> int:
    """Run the app to its end; its exit code. Last words go to standard error."""
    app = SsechatApp(session, choice)
    await app.run_async(mouse=session.settings.ui.mouse)
    if last_words := app.parting or app.trouble:
        print(last_words, file=sys.stderr)
    return app.return_code or 0
