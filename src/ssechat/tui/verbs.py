"""What each action does to the app. The registry (`actions`) names them; keys lead here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.widgets.text_area import Selection

from ssechat.core.draft import Draft, folded
from ssechat.core.safe import clean
from ssechat.hub.joining import Elsewhere
from ssechat.settings import Profile
from ssechat.tui import saving
from ssechat.tui.editor import edit
from ssechat.tui.export import export_unsaved
from ssechat.tui.links import Link, links, open_link, unseen
from ssechat.tui.screens.help import Help
from ssechat.tui.screens.history import History
from ssechat.tui.screens.links import LinkPicker, Use
from ssechat.tui.screens.media import MediaPicker, What
from ssechat.tui.screens.models import Models
from ssechat.tui.screens.palette import Palette
from ssechat.tui.transcript.slices import ThinkingMode
from ssechat.tui.widgets.find_bar import FindBar

if TYPE_CHECKING:
    from ssechat.tui.app import SsechatApp
    from ssechat.tui.tab import Tab

Verb = Callable[["SsechatApp"], Awaitable[None]]


async def send(app: SsechatApp) -> None:
    """Hand over what is written. It is the draft again if it cannot be sent."""
    message = app.composer.draft.stripped
    tab = app.desk.tab
    if message.whole.strip() and app.desk.may_ask(tab):
        app.composer.sent(message)
        app.desk.take(tab, message)
        app.transcript.follow()
        app.start(_send(app, tab, message))


async def _send(app: SsechatApp, tab: Tab, message: Draft) -> None:
    try:
        sent = await app.desk.send(tab)
    except Exception:
        app.desk.drop(tab)
        app.give_back(tab, message)
        raise
    if not sent:
        app.give_back(tab, message)
    await app.save()
    app.show_tab()


async def newline(app: SsechatApp) -> None:
    app.composer.insert("\n")


async def stop(app: SsechatApp) -> None:
    if app.find_bar is not None:
        await end_find(app)
    else:
        app.desk.stop()


async def clear(app: SsechatApp) -> None:
    """Copy a selection, also one that has just gone, else close the search, clear the draft, or
    stop, else say how to quit."""
    composer = app.composer
    selected = composer.selected_text or app.screen.get_selected_text()
    if selected:
        _copy(app, selected)
        composer.selection = Selection.cursor(composer.cursor_location)
        app.screen.clear_selection()
    elif (dropped := app.transcript.dropped) is not None:
        app.transcript.forget_dropped()
        if dropped:
            _copy(app, dropped)
        else:
            app.say("what was selected has changed; nothing is copied", "warning")
    elif app.find_bar is not None and app.find_bar.typing:
        await end_find(app)
    elif composer.text:
        composer.keep(composer.draft)
        composer.show(Draft())
        app.say("draft cleared; up brings it back")
    elif not app.desk.stop():
        app.say("ctrl+q quits; nothing is lost")


async def retry(app: SsechatApp) -> None:
    app.start(_then_show(app, app.desk.retry(app.desk.tab)))


async def previous_attempt(app: SsechatApp) -> None:
    await _then_show(app, app.desk.turn(app.desk.tab, -1))


async def next_attempt(app: SsechatApp) -> None:
    await _then_show(app, app.desk.turn(app.desk.tab, 1))


async def resume(app: SsechatApp) -> None:
    app.start(_then_show(app, app.desk.resume(app.desk.tab)))


async def detach(app: SsechatApp) -> None:
    app.desk.detach(app.desk.tab)


async def _then_show(app: SsechatApp, work: Awaitable[None]) -> None:
    await work
    app.show_tab()


async def edit_draft(app: SsechatApp) -> None:
    """Write the message in $VISUAL or $EDITOR."""
    failure: Exception | None = None
    draft = app.composer.draft
    text = ""
    with app.suspend():  # an error within would leave the terminal suspended
        try:
            text = await edit(draft.whole)
        except Exception as error:  # noqa: BLE001
            failure = error
    app.refresh(layout=True)
    if failure is not None:
        raise failure
    app.composer.show(folded(text, draft.pastes))


async def copy(app: SsechatApp) -> None:
    """The source of the messages in which something is selected, else of the last answer."""
    leaf = app.desk.tab.leaf
    live = app.desk.tab.live
    text = app.transcript.selected_sources
    if text or (text := live.fold.reply.answer if live else leaf.text if leaf else ""):
        _copy(app, clean(text))
    else:
        app.say("there is no answer to copy yet", "warning")


def _copy(app: SsechatApp, text: str) -> None:
    app.copy_to_clipboard(text)
    app.say(f"copied {len(text):,} characters")


async def media(app: SsechatApp) -> None:
    """Open or save an image or sound of this conversation."""
    tab = app.desk.tab
    title = tab.conversation.title if tab.conversation else ""

    def chosen(choice: tuple[What, saving.Thing] | None) -> None:
        if choice is not None:
            app.start(_take_out(app, *choice, title))

    if found := saving.things(tab.page):
        await app.push_screen(MediaPicker(found), chosen)
    else:
        app.say("there is no image or audio here yet", "warning")


async def _take_out(app: SsechatApp, what: What, thing: saving.Thing, title: str) -> None:
    file = await saving.content(app.session.journal, thing)
    if what is What.OPEN and file.type.kind is not None and await saving.show(file):
        app.say("opened in another window")
        return
    path = await saving.save(file, title, thing.number)
    unseen = "nothing here can show it; " if what is What.OPEN else ""
    app.say(f"{unseen}saved as {path}")


async def show_links(app: SsechatApp) -> None:
    """Open or copy a link of a message that is on the screen."""
    why_not = unseen()

    def chosen(choice: tuple[Use, Link] | None) -> None:
        if choice is not None:
            app.start(_use_link(app, *choice, why_not))

    if found := await links(app.transcript.items_shown):
        await app.push_screen(LinkPicker(found, why_not), chosen)
    else:
        app.say("there is no link on the screen", "warning")


async def _use_link(app: SsechatApp, use: Use, link: Link, why_not: str) -> None:
    if use is Use.OPEN:
        await open_link(link)
        app.say(f"opened in another window: {link.host}")
        return
    app.copy_to_clipboard(link.target)
    app.say(f"copied {link.target}" + (f" ({why_not})" if link.opens and why_not else ""))


async def new_tab(app: SsechatApp) -> None:
    await end_find(app)
    app.desk.new()
    app.show_tab()


async def close_tab(app: SsechatApp) -> None:
    if app.composer.text:
        app.composer.keep(app.composer.draft)
    app.desk.close()
    app.show_tab()


async def next_tab(app: SsechatApp) -> None:
    app.desk.go((app.desk.active + 1) % len(app.desk.tabs))
    app.show_tab()


async def previous_tab(app: SsechatApp) -> None:
    app.desk.go((app.desk.active - 1) % len(app.desk.tabs))
    app.show_tab()


async def history(app: SsechatApp) -> None:
    session = app.session

    async def opened(chosen: str | Elsewhere | None) -> None:
        if isinstance(chosen, Elsewhere):
            app.start(_then_show(app, app.desk.join(chosen)))
        elif chosen is not None:
            await app.desk.open(chosen)
            app.show_tab()

    elsewhere = session.hub.elsewhere(session.settings.profiles.values())
    await app.push_screen(History(session.journal, elsewhere), opened)


async def model(app: SsechatApp) -> None:
    def chosen(profile: Profile | None) -> None:
        if profile is not None:
            app.desk.choose(profile)
            app.show_tab()

    await app.push_screen(Models(app.session, app.desk.tab.profile), chosen)


async def thinking(app: SsechatApp) -> None:
    modes = list(ThinkingMode)
    mode = modes[(modes.index(app.transcript.thinking_mode) + 1) % len(modes)]
    app.transcript.thinking_mode = mode
    app.say(f"thinking: {mode}")


async def find(app: SsechatApp) -> None:
    """Find text in the conversation, in a bar above the composer."""
    if app.find_bar is None:
        app.find_bar = FindBar(app.transcript)
        await app.screen_stack[0].mount(app.find_bar, before=app.composer)
    app.find_bar.begin()


async def end_find(app: SsechatApp) -> None:
    bar, app.find_bar = app.find_bar, None
    if bar is not None:
        app.transcript.end_find()
        app.screen_stack[0].set_focus(app.composer)
        await bar.remove()


async def page_up(app: SsechatApp) -> None:
    app.transcript.scroll_page_up(animate=False)


async def page_down(app: SsechatApp) -> None:
    app.transcript.scroll_page_down(animate=False)


async def to_end(app: SsechatApp) -> None:
    app.transcript.follow()


async def to_start(app: SsechatApp) -> None:
    app.transcript.scroll_home()


async def redraw(app: SsechatApp) -> None:
    app.transcript.invalidate()
    app.redraw()


async def palette(app: SsechatApp) -> None:
    async def chosen(name: str | None) -> None:
        if name in VERBS:
            await app.run_verb(name)
        elif name is not None:
            app.theme = name

    themes = [name for name in app.available_themes if not name.startswith("textual")]
    await app.push_screen(Palette(app.keymap, themes), chosen)


async def show_help(app: SsechatApp) -> None:
    await app.push_screen(Help(app.keymap))


async def quit_app(app: SsechatApp) -> None:
    """Quit; ask for a second press where that would cut an answer, or leave it unsaved."""
    await app.save()
    if not app.quit_asked and (warning := app.desk.quit_warning()):
        app.quit_asked = True
        app.say(warning, "warning")
        return
    try:
        unsaved = app.desk.unsaved
        if unsaved:
            app.parting = f"what the journal could not take is in {export_unsaved(unsaved)}"
    except OSError as error:
        app.say(f"it cannot be written to a file either: {error.strerror}", "error")
        return
    app.parting = app.parting or app.desk.left_running
    app.exit(return_code=1 if unsaved else 0)


VERBS: dict[str, Verb] = {
    "chat.send": send,
    "chat.newline": newline,
    "chat.stop": stop,
    "chat.retry": retry,
    "chat.previous": previous_attempt,
    "chat.next": next_attempt,
    "chat.resume": resume,
    "chat.detach": detach,
    "chat.edit": edit_draft,
    "chat.copy": copy,
    "chat.media": media,
    "chat.links": show_links,
    "tab.new": new_tab,
    "tab.close": close_tab,
    "tab.next": next_tab,
    "tab.previous": previous_tab,
    "app.history": history,
    "app.model": model,
    "view.thinking": thinking,
    "view.find": find,
    "view.page_up": page_up,
    "view.page_down": page_down,
    "view.end": to_end,
    "view.start": to_start,
    "view.redraw": redraw,
    "app.palette": palette,
    "app.help": show_help,
    "app.clear": clear,
    "app.quit": quit_app,
}
