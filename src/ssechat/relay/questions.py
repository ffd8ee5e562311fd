"""What stored requests ask: the model, and the user's last words, whichever API they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ssechat.core.conversation import Call
from ssechat.core.errors import JournalProblem
from ssechat.journal.owned import OwnedStreams

LONGEST = 200
"""Characters of the words that are told; where there were more, the last one is an ellipsis."""
_LARGEST = 8 * 2**20  # bytes of a body that is read; a larger one holds files
_REMEMBERED = 1024
_MODEL = re.compile(r"(?:.*/)?models/([^/:?]+):")
_USERS = ("", "text", "user_input")
"""Types of what the user said, where no role tells it."""


class Question(msgspec.Struct, frozen=True):
    """Both are "" where the request does not say it."""

    model: str = ""
    prompt: str = ""


class Questions:
    """A stream's request never changes, so each is read once."""

    def __init__(self) -> None:
        self._known: dict[str, Question] = {}

    async def of(self, journal: OwnedStreams, stream_id: str) -> Question:
        known = self._known.get(stream_id)
        if known is None:
            try:
                known = question((await journal.stream(stream_id)).call)
            except JournalProblem:  # it was deleted meanwhile
                return Question()
            while len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[stream_id] = known
        return known


class _Body(msgspec.Struct):
    """The turns stand in one of three places: as a text, or as a list."""

    model: object = None
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    contents: msgspec.Raw = msgspec.Raw()


class _Piece(msgspec.Struct):
    text: str | None = None


_Words = str | list[_Piece | str] | None


class _Turn(msgspec.Struct):
    """A turn of any API. In a list of pieces instead of turns, `text` is the words."""

    role: str = ""
    type: str = ""
    content: _Words = None
    parts: _Words = None
    text: str | None = None

    @property
    def words(self) -> str:
        """Of a user's turn."""
        if self.role != "user" and (self.role or self.type not in _USERS):
            return ""
        return _joined(self.content) or _joined(self.parts) or self.text or ""


def _joined(words: _Words) -> str:
    if words is None or isinstance(words, str):
        return words or ""
    texts = (piece if isinstance(piece, str) else piece.text or "" for piece in words)
    return "\n".join(text for text in texts if text.strip())


def question(call: Call) -> Question:
    """What a request in any of our dialects asks."""
    by_path = _MODEL.match(call.path)
    model = by_path[1] if by_path else ""
    if len(call.body) > _LARGEST:
        return Question(model)
    try:
        body = msgspec.json.decode(call.body, type=_Body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Question(model)
    told = body.model if isinstance(body.model, str) else ""
    turns = (body.messages, body.input, body.contents)
    said = next((words for raw in turns for words in _said(bytes(raw)) if words.strip()), "")
    return Question((told or model)[:LONGEST], _cut(said.strip()))


def _said(turns: bytes) -> Iterator[str]:
    """What the user's turns say, the last one first. They are looked at one by one, for the others
    may be long."""
    try:
        listed = msgspec.json.decode(turns, type=str | list[msgspec.Raw]) if turns else []
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return
    if isinstance(listed, str):
        yield listed
        return
    for raw in reversed(listed):
        try:
            yield msgspec.json.decode(raw, type=_Turn).words
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
