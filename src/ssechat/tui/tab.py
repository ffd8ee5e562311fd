"""A tab: one path through one conversation, and the stream that answers in it, if there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ssechat.core.deltas import EndState, Verdict
from ssechat.core.draft import Draft, joined
from ssechat.core.reply import Reply, restore
from ssechat.core.resume import Rung
from ssechat.core.safe import clean_line
from ssechat.hub import Hub, Live
from ssechat.journal import UNFINISHED, ConversationRow, MessageRow
from ssechat.settings import Profile
from ssechat.tui.status import (
    Piece,
    TabLabel,
    Tone,
    live_badge,
    live_pieces,
    row_badge,
    row_pieces,
    state_of,
    usable,
)
from ssechat.tui.transcript.page import Item, NoteItem, Page, ReplyItem, UserItem

NEW_TITLE = "new"
_WARNINGS = 8
_OPEN_ENDS = (EndState.CUT, EndState.EXPIRED)


class Tab:
    """What is shown of a conversation. `profile` answers next; None is the demo, not yet running.

    `page` is what the transcript draws; it is made anew only when the path changes. `outgoing` is
    a message that was handed over to be sent and is not in the journal yet; `stop_asked`: its
    answer is not wanted any more. `moved`: the stream has done something since the last look.
    """

    def __init__(
        self, profile: Profile | None, moved: Callable[[Tab], None] = lambda _: None
    ) -> None:
        """`moved` is called whenever the stream has done something."""
        self.profile = profile
        self._on_move = moved
        self.conversation: ConversationRow | None = None
        self.path: list[MessageRow] = []
        self.page = Page()
        self.live: Live | None = None
        self.draft = Draft()
        self.outgoing = Draft()
        self.sending = False
        self.stop_asked = False
        self.moved = False
        self.unread = False
        self.rung: Rung | None = None
        self._unwatch: Callable[[], None] | None = None

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if self.conversation else None

    @property
    def leaf(self) -> MessageRow | None:
        return self.path[-1] if self.path else None

    @property
    def running(self) -> bool:
        """Whether an answer is on its way. One that is being stopped holds nobody up."""
        if self.live is not None:
            return self.live.outcome is None and not self.live.stopping
        return self.leaf is not None and self.leaf.state in UNFINISHED

    @property
    def busy(self) -> bool:
        """Whether nothing else can be asked now."""
        return self.running or self.sending

    @property
    def kept(self) -> Draft:
        """What must come back as the draft if we ended now."""
        return joined(self.outgoing, self.draft)

    @property
    def label(self) -> TabLabel:
        title = clean_line(self.conversation.title, 60) if self.conversation else NEW_TITLE
        return TabLabel(title or NEW_TITLE, self._badge, self.unread)

    @property
    def _badge(self) -> Piece | None:
        if self.live is not None:
            return live_badge(self.live)
        leaf = self.leaf
        return row_badge(leaf) if leaf is not None and leaf.role == "assistant" else None

    @property
    def pieces(self) -> list[Piece]:
        """What the status bar says."""
        model = clean_line(self.profile.model, 24) if self.profile else "demo"
        if self.sending:
            word = "stopping" if self.stop_asked else "waiting"
            return [Piece(word, Tone.BUSY), Piece(model, rank=2)]
        if self.live is not None:
            return live_pieces(self.live)
        if self.leaf is not None and self.leaf.role == "assistant":
            return row_pieces(self.leaf, self.rung)
        return [Piece("ready"), Piece(model, rank=2)]

    async def load(self, hub: Hub, conversation_id: str, *, notes: bool = False) -> None:
        """Show the conversation's current path; follow the stream that answers in it. `notes`: keep
        what the app has said."""
        journal = hub.journal
        self.conversation = await journal.conversation(conversation_id)
        self.path = await journal.path(conversation_id)
        items: list[Item] = []
        for row in self.path:
            attempts = await journal.attempts(row.id) if row.role == "assistant" else []
            items.append(_item(row, attempts, hub.live(row.id)))
        if notes:
            items += [item for item in self.page.items if isinstance(item, NoteItem)]
        self.page.reset(items)
        self.release()
        leaf = self.leaf
        self.live = hub.live(leaf.id) if leaf is not None else None
        if self.live is not None:
            self._unwatch = self.live.watch(self._move)
        elif leaf is not None and leaf.stream_id is not None and leaf.state in _OPEN_ENDS:
            rung = await hub.rung_after(await journal.stream(leaf.stream_id))
            self.rung = usable(rung, leaf.text)

    def release(self) -> None:
        """Look no longer at a stream. It goes on."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self.live = None

    def _move(self, _: Live) -> None:
        self.moved = True
        self._on_move(self)

    def refresh(self) -> bool:
        """Bring the answer's state word up to date with its stream; whether it was not."""
        live = self.live
        if live is None or self.leaf is None:
            return False
        state = str(live.outcome.end) if live.outcome else state_of(live).text
        old = next((item for item in self.page.items if item.key == self.leaf.id), None)
        if isinstance(old, ReplyItem) and (old.state, old.note) != (state, _note(live)):
            self.page.put(replace(old, state=state, note=_note(live)))
            return True
        return False

    def say(self, key: str, text: str, tone: str = "info") -> None:
        """Put a line of the app's own below the conversation; the next message takes its place."""
        self.page.put(NoteItem(key, text, tone))

    def warn(self, lines: list[str]) -> None:
        """What is wrong around us, as far as anybody would read it."""
        for number, line in enumerate(lines[:_WARNINGS]):
            self.say(f"warning-{number}", clean_line(line, 400), "warning")
        if (more := len(lines) - _WARNINGS) > 0:
            self.say("warnings", f"and {more} more like these", "warning")


def _item(row: MessageRow, attempts: list[MessageRow], live: Live | None) -> UserItem | ReplyItem:
    if row.role != "assistant":
        return UserItem(row.id, row.text, row.created)
    number = next((n for n, other in enumerate(attempts, 1) if other.id == row.id), 1)
    reply = live.fold.reply if live is not None else _stored(row)
    return ReplyItem(
        row.id,
        reply,
        clean_line(row.model, 40),
        (number, max(1, len(attempts))),
        row.state if live is None else state_of(live).text,
        row.note if live is None else _note(live),
        row.created,
    )


def _note(live: Live) -> str:
    """Why it ended; of a failure also what there is to know and to do."""
    if live.outcome is None:
        return ""
    parts = [live.outcome.note]
    if live.problem is not None and live.outcome.end is EndState.FAILED:
        parts += [live.problem.detail, live.problem.remedy]
    return " — ".join(part for part in parts if part)


def _stored(row: MessageRow) -> Reply:
    """The reply as it was projected; its bare text if the projection cannot be read."""
    try:
        verdict = Verdict(EndState(row.state), row.note)
    except ValueError:
        verdict = None
    try:
        return restore(row.parts, verdict)
    except ValueError:
        return restore([{"kind": "text", "text": row.text}], verdict)
