"""Deltas: what a frame means, whatever API it came from."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EndState(StrEnum):
    """How a stream ended; the same words in the journal, the status bar and `ask --json`."""

    COMPLETE = "complete"
    LENGTH = "length"
    REFUSED = "refused"
    STOPPED = "stopped"
    CUT = "cut"
    FAILED = "failed"
    EXPIRED = "expired"


class Thinking(msgspec.Struct, frozen=True, gc=False):
    """A piece of the model's reasoning."""

    text: str


class Text(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer."""

    text: str


class Seal(msgspec.Struct, frozen=True, gc=False):
    """Opaque proof of a finished thinking block (`signature`, or `redacted` data).

    It is kept, never shown, and sent back byte for byte with the thinking that it seals.
    """

    signature: str = ""
    redacted: str = ""


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a tool call. `arguments` are appended; `id` and `name` come once."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class MediaKind(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"


class Media(msgspec.Struct, frozen=True, gc=False):
    """A piece of an image or of audio, as bytes that nobody has looked at yet.

    `index` tells the things of one answer apart. Pieces of one are appended; one that is `whole`
    takes the place of what came before it (a better picture). `mime` is what the server declares.
    `url` is where the thing lies instead, if it did not come: it is shown, never fetched.
    """

    kind: MediaKind
    index: str
    data: bytes = b""
    mime: str = ""
    url: str = ""
    whole: bool = False


class Citation(msgspec.Struct, frozen=True, gc=False):
    """A source that the answer names. Each may be empty, but not all."""

    title: str = ""
    url: str = ""
    quote: str = ""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """The server keeps this answer under `id`, whether or not anybody listens.

    `streams`: its stream can be continued; else only the final object can be fetched.
    """

    id: str
    streams: bool = True


class Whole(msgspec.Struct, frozen=True, gc=False):
    """The answer's text and thinking as the server's final object has them; None: not told.

    It comes before the verdict that the same object holds.
    """

    text: str | None = None
    thinking: str | None = None


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts so far, in total; a later one replaces an earlier one. None: not told."""

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None


class About(msgspec.Struct, frozen=True, gc=False):
    """What the server says of itself: the model that answers, its name for this answer."""

    model: str = ""
    remote_id: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The dialect's terminal event: how the stream ends.

    `last` is False while more (usage, an end mark) may still follow; the stream is ended all the
    same if nothing does. `note` is a few words for the user.
    """

    state: EndState
    note: str = ""
    last: bool = True


Delta = Thinking | Text | Seal | Tool | Media | Citation | Kept | Whole | Usage | About | Verdict
