"""What a body may cost us: work in proportion to its bytes, and no more memory than the bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from ssechat.core import sse
from ssechat.core.errors import LinkProblem
from ssechat.core.sse import MAX_NAME, SseDecoder


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


class Work:
    """Counts the bytes that operations on marked buffers read or write."""

    def __init__(self) -> None:
        self.bytes = 0

    def marked(self, base: type) -> type:
        def counted(name: str):
            operation = getattr(base, name)

            def method(this, *args, **options):
                self.bytes += len(args[0]) if name == "__iadd__" else len(this)
                return operation(this, *args, **options)

            return method

        names = [name for name in dir(base) if not name.startswith("__")]
        names += ["__add__", "__contains__", "__getitem__", "__iadd__", "__iter__", "__eq__"]
        body = {name: counted(name) for name in names if hasattr(base, name)}
        body["__bytes__"] = lambda this: self._copy(this)
        body["__radd__"] = lambda this, left: self._copy(left) + bytes(memoryview(this))
        return type(f"Marked{base.__name__}", (base,), body)

    def _copy(self, value: bytes) -> bytes:
        self.bytes += len(value)
        return bytes(memoryview(value))


def work_for(line: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes handled while one line comes in chunks, in these and in the buffers that hold it."""
    work = Work()
    monkeypatch.setattr(sse, "bytearray", work.marked(bytearray), raising=False)
    marked = work.marked(bytes)
    decoder = SseDecoder()
    for piece in chunks(line + b"\n", chunk):
        decoder.feed(marked(piece))
    return work.bytes


@pytest.mark.parametrize("chunk", [1, 16, 1000])
@pytest.mark.parametrize("field", [b"data: ", b": ", b"unknown: "])
def test_each_byte_of_a_line_is_handled_a_few_times_however_small_its_chunks(
    field: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = field + b"x" * 20_000
    assert len(line) <= work_for(line, chunk, monkeypatch) <= 8 * len(line)


def test_a_held_line_is_not_copied_when_more_of_it_comes() -> None:
    piece, count, allocated = b"x" * 1000, 1000, 0
    decoder = SseDecoder()
    tracemalloc.start()
    try:
        for _ in range(count):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            decoder.feed(piece)
            allocated += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert allocated <= 5 * count * len(piece)


def chunks_until_refused(decoder: SseDecoder, chunk: bytes, most: int) -> int:
    for count in range(1, most + 1):
        try:
            decoder.feed(chunk)
        except LinkProblem:
            return count
    raise AssertionError(f"{most} chunks were taken")


@pytest.mark.parametrize("chunk", [b"data: abc\n", b"data\n", b"data:\r\n", b"data:\n: c\nid: 1\n"])
def test_an_event_of_endless_data_lines_is_refused(chunk: bytes) -> None:
    decoder = SseDecoder(max_event=1000)
    line = len(chunk.partition(b"\n")[0].rstrip(b"\r")) + 1
    assert chunks_until_refused(decoder, chunk, 1000) == 1000 // line + 1


@pytest.mark.parametrize("start", [b"data: ", b": ", b"id: ", b"x"])
def test_a_line_without_end_is_refused(start: bytes) -> None:
    decoder = SseDecoder(max_event=1000)
    decoder.feed(start)
    assert chunks_until_refused(decoder, b"x" * 10, 101) == (1000 - len(start)) // 10 + 1


def test_a_passed_bound_is_a_problem_with_a_remedy() -> None:
    with pytest.raises(LinkProblem, match="an event of more than 16 MiB") as caught:
        SseDecoder().feed(b"data: " + b"x" * 16 * 2**20)
    assert (caught.value.kind, bool(caught.value.remedy)) == ("limit", True)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_bound_is_at_the_same_byte_for_any_split(size: int) -> None:
    fits = b"data: " + b"x" * 94 + b"\n\n"
    over = b"data: " + b"x" * 95 + b"\n\n"
    decoder = SseDecoder(max_event=100)
    list(map(decoder.feed, chunks(fits, size)))
    assert decoder.offset == len(fits)
    decoder = SseDecoder(max_event=100)
    with pytest.raises(LinkProblem, match="more than 100 bytes"):
        list(map(decoder.feed, chunks(over, size)))


def test_many_small_events_and_comments_are_no_large_event() -> None:
    decoder = SseDecoder(max_event=100)
    assert len(decoder.feed(b": ping\ndata: abc\n\n" * 1000)) == 2000
    assert len(decoder.feed(b": ping\n" * 1000)) == 1000


def test_frames_before_the_bound_come_out_before_it_is_reported() -> None:
    decoder = SseDecoder(max_event=100)
    body = b"data: a\n\ndata: " + b"x" * 100 + b"\n\ndata: b\n\n"
    assert [frame.data for frame in decoder.feed(body)] == ["a"]
    for call in (lambda: decoder.feed(b""), lambda: decoder.feed(b"data\n\n"), decoder.close):
        with pytest.raises(LinkProblem, match="more than 100 bytes"):
            call()


@pytest.mark.parametrize("name", [b"id", b"event"])
def test_an_id_or_type_too_long_for_a_header_is_refused(name: bytes) -> None:
    fits = name + b":" + b"x" * (MAX_NAME - len(name) - 1)
    assert len(SseDecoder().feed(fits + b"\ndata\n\n")) == 1
    with pytest.raises(LinkProblem, match=name.decode()):
        SseDecoder().feed(fits + b"x\ndata\n\n")
