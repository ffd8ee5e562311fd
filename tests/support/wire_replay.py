"""Streams as bytes, servers that replay them in their own ways, and a client without a network.

The client is the whole path but for the socket: bytes, decoder, splice, resume machine, a real
journal. What it holds between two connections it reads back from the journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

from ssechat.core.conversation import Call
from ssechat.core.dialects import dialect
from ssechat.core.fold import Fold
from ssechat.core.frames import Frame, FrameKind
from ssechat.core.history import History
from ssechat.core.resume import (
    Arrived,
    Connect,
    Fired,
    Judged,
    Linger,
    Lost,
    Opened,
    Refused,
    Rung,
    Sent,
    Step,
    Stream,
    Wait,
    step,
    submit,
)
from ssechat.core.splice import Ordering, Splice, moved
from ssechat.core.sse import SseDecoder
from ssechat.journal import Journal, NewStream, StreamRow


class Style(NamedTuple):
    """How a server names its events and where it goes on.

    Every `every`th event has an id, 0 for none; with `apart` it follows in a block of its own.
    `ordered` ids are those of our relay. A `forgetful` server sends everything again, whatever the
    cursor; an `inclusive` one begins with the event that the cursor names; a `deaf` one answers
    every cursor with 400.
    """

    every: int = 1
    apart: bool = False
    newline: str = "\n"
    ordered: bool = False
    forgetful: bool = False
    inclusive: bool = False
    deaf: bool = False


class Event(NamedTuple):
    name: str
    data: str


class Block(NamedTuple):
    """A block on the wire; `id` is "" if it has none, `event` the number of events up to it."""

    text: bytes
    id: str
    event: int


class Server:
    """Replays one list of events in one style."""

    def __init__(self, events: list[Event], style: Style) -> None:
        self.style = style
        self.blocks: list[Block] = []
        for number, event in enumerate(events, 1):
            named = bool(style.every) and number % style.every == 0
            self._add(event, number, named)

    def body(self, cursor: str) -> bytes:
        """What a connection that sends `cursor` gets, if nothing cuts it."""
        start = 0
        if cursor and not self.style.forgetful:
            at = next(n for n, block in enumerate(self.blocks) if block.id == cursor)
            start = at if self.style.inclusive else at + 1
        return b"".join(block.text for block in self.blocks[start:])

    @property
    def ends(self) -> list[int]:
        """Where each block ends, in a body without a cursor."""
        return list(accumulate(len(block.text) for block in self.blocks))

    def cursor_at(self, size: int) -> str:
        """The id in force after the first `size` bytes of a body without a cursor.

        The blank line that ends a block counts from its first byte.
        """
        last = len(self.style.newline) - 1
        whole = [b for b, end in zip(self.blocks, self.ends, strict=True) if end - last <= size]
        return next((block.id for block in reversed(whole) if block.id), "")

    def _add(self, event: Event, number: int, named: bool) -> None:
        own = (f"st_demo.1-{number}" if self.style.ordered else f"e{number}") if named else ""
        lines = [f"event: {event.name}"] if event.name else []
        lines += [f"data: {line}" for line in event.data.split("\n")]
        if own and not self.style.apart:
            self._block([f"id: {own}", *lines], own, number)
        else:
            self._block(lines, "", number)
        if own and self.style.apart:
            self._block([f"id: {own}"], own, number)

    def _block(self, lines: list[str], own: str, number: int) -> None:
        text = self.style.newline.join([*lines, "", ""])
        self.blocks.append(Block(text.encode(), own, number))


def chat(thinking: Iterable[str], answer: Iterable[str]) -> list[Event]:
    """An answer in the dialect openai-chat."""
    deltas: list[dict[str, str]] = [{"role": "assistant"}]
    deltas += [{"reasoning_content": text} for text in thinking]
    deltas += [{"content": text} for text in answer]
    chunks: list[dict] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
    return [*(Event("", _json(chunk)) for chunk in chunks), Event("", "[DONE]")]


def messages(thinking: Iterable[str], answer: Iterable[str]) -> list[Event]:
    """An answer in the dialect anthropic."""
    events: list[dict] = [{"type": "message_start", "message": {"usage": {"input_tokens": 3}}}]
    events += _content(0, {"type": "thinking"}, "thinking_delta", "thinking", thinking)
    events += _content(1, {"type": "text"}, "text_delta", "text", answer)
    ending = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    events += [{"type": "message_delta", **ending}, {"type": "message_stop"}]
    return [Event(event["type"], _json(event)) for event in events]


def _content(index: int, block: dict, kind: str, key: str, texts: Iterable[str]) -> list[dict]:
    start = {"type": "content_block_start", "index": index, "content_block": block}
    deltas = [
        {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: text}}
        for text in texts
    ]
    return [start, *deltas, {"type": "content_block_stop", "index": index}]


def _json(value: object) -> str:
    """Over two data lines where that is possible, as some servers send it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace('}],"', '}],\n"')


class Told(NamedTuple):
    """What the journal tells at the end: how it ended, the reply, the events, what was resumed."""

    state: str
    answer: str
    thinking: str
    tokens: int
    events: list[Event]
    cursor: str
    cursors_sent: list[str]


class Client:
    """One stream, over as many connections as it takes. `cuts` are body sizes, one for each of the
    first connections; the last connection gets the whole body."""

    def __init__(self, journal: Journal, server: Server, codec: str, cuts: list[int]) -> None:
        self._journal = journal
        self._server = server
        self._codec = dialect(codec)
        self._name = codec
        self._cuts = cuts
        self._cursors: list[str] = []

    async def run(self) -> Told:
        begun = await self._journal.begin(
            NewStream(
                text="why?",
                profile="p",
                model="m",
                dialect=self._name,
                call=Call("POST", "x", {}),
            )
        )
        stream, actions = submit()
        while not stream.ended:
            assert len(self._cursors) <= len(self._cuts), stream
            await self._connection(begun.stream_id, stream, actions)
            stream, actions = self._after
        return await self._told(begun.stream_id, stream)

    async def _connection(self, stream_id: str, stream: Stream, actions: list[object]) -> None:
        """What follows from `actions`, up to the loss of the connection that they ask for."""
        while any(isinstance(action, Wait) for action in actions):
            stream, actions = step(stream, Fired(), 0.0)
        (connect,) = (action for action in actions if isinstance(action, Connect))
        row, history, fold = await self._held(stream_id)
        cursor = row.cursor if connect.resume and not connect.from_start else ""
        if cursor and self._server.style.deaf:
            self._after = step(stream, Refused("400", 400), 0.0)
            return
        self._cursors.append(cursor)
        frames = self._received(cursor)
        ordering = Ordering.RELAY if self._server.style.ordered else Ordering.OPAQUE
        new = Splice(history, cursor, ordering=ordering).sift(frames)
        assert new.broken is None, (new, cursor)
        if new.new:
            moved_to = reduce(moved, new.new, row.cursor)
            await self._journal.append(stream_id, new.new, moved_to)
        self._after = self._judge(stream, new.new, fold)

    def _received(self, cursor: str) -> list[Frame]:
        """The frames of one connection. An odd cut ends the body cleanly, an even one does not."""
        body = self._server.body(cursor)
        number = len(self._cursors) - 1
        cut = self._cuts[number] if number < len(self._cuts) else len(body)
        decoder = SseDecoder(last_event_id=cursor, end_mark=self._codec.END_MARK)
        frames = decoder.feed(body[:cut])
        return frames + (decoder.close() if cut % 2 else [])

    async def _held(self, stream_id: str) -> tuple[StreamRow, History, Fold]:
        """What the journal knows of the stream."""
        row = await self._journal.stream(stream_id)
        history, fold = History(), Fold(self._codec.decoder())
        for _, frame in await self._journal.frames(stream_id):
            history.add(frame)
            fold.take(frame)
        return row, history, fold

    def _judge(self, stream: Stream, new: list[Frame], fold: Fold) -> Step:
        """Tell the machine of a connection's life, from the request to its loss."""
        rung = Rung.EXACT if self._server.style.every else Rung.REPLAY
        result: Step = (stream, [])
        for happening in (Sent(), Opened(rung), Arrived(len(new), rung=rung)):
            result = step(result[0], happening, 0.0)
        for frame in new:
            before = fold.reply.verdict
            fold.take(frame)
            if (verdict := fold.reply.verdict) is not before and verdict is not None:
                result = step(result[0], Judged(verdict), 0.0)
        if result[0].ended or any(isinstance(action, Linger) for action in result[1]):
            result = step(result[0], Fired(), 0.0)
        return result if result[0].ended else step(result[0], Lost("cut"), 0.0)

    async def _told(self, stream_id: str, stream: Stream) -> Told:
        row = await self._journal.stream(stream_id)
        fold = Fold(self._codec.decoder())
        frames = [frame for _, frame in await self._journal.frames(stream_id)]
        for frame in frames:
            fold.take(frame)
        fold.close(0.0)
        events = [Event(f.event, f.data) for f in frames if f.kind is FrameKind.EVENT]
        reply = fold.reply
        return Told(
            str(stream.state),
            reply.answer,
            reply.thinking,
            fold.tokens,
            events,
            row.cursor,
            self._cursors,
        )
