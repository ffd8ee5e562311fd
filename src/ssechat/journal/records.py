"""What goes into the journal and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import msgspec

from ssechat.core.blob import MediaFile
from ssechat.core.conversation import Call, Thought
from ssechat.core.dialects import Dialect, dialect
from ssechat.core.draft import Draft
from ssechat.core.schemes import HOPED, Handle

LIVE = "live"
STOPPING = "stopping"
UNFINISHED = (LIVE, STOPPING)
"""The states of a stream beside those of `core.deltas.EndState`."""


class NewStream(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and the request for its answer.

    Without `conversation_id` a conversation is made, called `title` or as the prompt begins.
    Without `text` the answer is a new attempt at `parent_id`, which is a user's message then; else
    `parent_id` is the message that the text comes after, None for a first one. `options` are the
    dialect's; `stream_id` is a name of the caller's choosing.
    """

    conversation_id: str | None = None
    parent_id: str | None = None
    text: str | None
    title: str = ""
    system: str = ""
    profile: str
    model: str
    dialect: str
    call: Call
    idempotency_key: str = ""
    options: dict[str, Any] = {}
    stream_id: str = ""


class Begun(msgspec.Struct, frozen=True):
    """The ids of what `begin` wrote. `message_id` is the answer's."""

    conversation_id: str
    user_message_id: str
    message_id: str
    stream_id: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The projection of an answer: what is shown of it once its frames are not needed.

    `parts` is what `core.reply.Reply.store` gives, `media` what `Reply.media` does: the bytes are
    written, but not read back with the message (`Journal.media` has them). Times are in
    milliseconds. `estimated` says that the tokens are a guess of ours. `thought_ms` is the time
    spent thinking.
    """

    state: str
    note: str = ""
    model: str = ""
    text: str = ""
    thinking: str = ""
    thoughts: Sequence[Thought] = ()
    parts: list[dict[str, Any]] = []
    media: Sequence[MediaFile] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_reasoning: int | None = None
    estimated: bool = False
    ttfb_ms: float | None = None
    ttft_ms: float | None = None
    tokens_per_second: float | None = None
    thought_ms: float | None = None
    resumes: int = 0
    last_id: str = ""


class MessageRow(Outcome, frozen=True, kw_only=True):
    """A message in its place in the tree. A user's has no `stream_id` and `dialect`."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    created: float
    stream_id: str | None
    dialect: str | None


class ConversationRow(msgspec.Struct, frozen=True, kw_only=True):
    """`head` is the leaf of the path last shown, `state` its state; `count` counts all messages."""

    id: str
    title: str
    created: float
    updated: float
    head: str
    profile: str
    model: str
    system: str
    count: int
    state: str


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as it stands. `lease` is "" when no process owns it; `beat` is the owner's last."""

    id: str
    message_id: str
    conversation_id: str
    profile: str
    dialect: str
    model: str
    call: Call
    idempotency_key: str
    resume_path: str
    remote_id: str
    cursor: str
    rung: str
    state: str
    note: str
    created: float
    ended: float | None
    ttfb_ms: float | None
    resumes: int
    last_seq: int
    lease: str
    beat: float
    scheme: str
    options: dict[str, Any]

    @property
    def handle(self) -> Handle:
        """How to get back to it at its server."""
        known = self.resume_path or self.remote_id or self.scheme in ("again", HOPED, "nothing")
        return Handle(self.scheme, self.resume_path, self.remote_id) if known else Handle()

    @property
    def codec(self) -> Dialect:
        """The dialect that it speaks. ConfigProblem if this version does not know it."""
        return dialect(self.dialect, self.options)


class StreamChange(TypedDict, total=False):
    """What may be changed of a live stream. `scheme`, `resume_path`, `remote_id`: a `Handle`."""

    scheme: str
    resume_path: str
    remote_id: str
    rung: str
    state: str
    note: str
    model: str
    ttfb_ms: float | None
    resumes: int


class TabRow(msgspec.Struct, frozen=True):
    """An open tab; without a conversation while nothing has been sent."""

    conversation_id: str | None = None
    draft: Draft = Draft()
    active: bool = False
