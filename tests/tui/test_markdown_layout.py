"""Lines of which only those are made that somebody looks at."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.tui.markdown.blocks import Blank, Block, Flow, Literal
from ssechat.tui.markdown.document import LONGEST, Document, plain
from ssechat.tui.markdown.layout import KEPT, Layout
from ssechat.tui.markdown.spans import Line, line_text

TEXTS = ["a", "word " * 9, "汉字，" * 20, "x" * 90, "one two"]
blocks = st.lists(
    st.sampled_from(TEXTS).map(lambda text: Literal(text, ""))
    | st.integers(1, 5).map(lambda count: Blank(count)),
    min_size=1,
    max_size=600,
)


def every(some: list[Block], width: int) -> list[Line]:
    return [line for block in some for line in block.lines(width)]


@settings(max_examples=50, deadline=None)
@given(blocks, st.sampled_from([8, 20, 41]), st.data())
def test_once_all_is_measured_lines_are_as_if_it_had_been_so_at_once(
    some: list[Block], width: int, data: st.DataObject
) -> None:
    layout = Layout()
    layout.resize(12)
    layout.add([*some, Blank(3)])
    layout.cut(len(some))
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(layout)))
        layout.measure(start, start + 20)
        if data.draw(st.booleans()):
            layout.resize(width)
    layout.resize(width)
    while layout.measure(0, len(layout)):
        pass
    expected = every(some, width)
    assert [*layout] == layout[:] == expected
    assert [layout[n] for n in range(len(layout))] == expected
    starts = [layout.start(n) for n in range(layout.blocks)]
    assert [layout.locate(start) for start in starts] == [(n, 0) for n in range(len(some))]


@settings(max_examples=50, deadline=None)
@given(blocks, st.integers(0, 300))
def test_what_is_measured_is_what_it_says_whatever_is_guessed_around_it(
    some: list[Block], start: int
) -> None:
    layout = Layout()
    layout.resize(20)
    layout.add(some)
    start = min(start, len(layout) - 1)
    first, _ = layout.locate(start)
    before = layout.start(first)
    layout.measure(start, start + 10)
    assert layout.start(first) == before
    assert layout[before : start + 10] == every(some[first:], 20)[: start + 10 - before]
    assert len(layout[:]) == len(layout)


def test_only_what_is_looked_at_is_wrapped() -> None:
    wrapped = 0

    class Counted(Literal):
        def content(self, width: int) -> list[Line]:
            nonlocal wrapped
            wrapped += 1
            return super().content(width)

    layout = Layout()
    for width in (80, 40):
        layout.resize(width)
        layout.add(Counted("word " * 40, "") for _ in range(10_000 - layout.blocks))
        while layout.measure(len(layout) - 100, len(layout)):
            pass
        assert wrapped <= 110
        wrapped = 0


def test_no_more_lines_are_kept_than_somebody_may_soon_look_at_again() -> None:
    layout = Layout()
    layout.resize(10)
    layout.add(Literal("x" * 100, "") for _ in range(2000))
    layout.measure_all()
    assert len(layout) == 20_000
    assert sum(map(len, layout._kept.values())) <= KEPT + 20


def test_a_block_that_has_changed_is_measured_anew() -> None:
    document = Document()
    document.feed("[x]\n\nword\n\n")
    assert len(document.lines(20)) == 3
    document.feed(f"[x]: http://{'a' * 60}\n\nend")
    lines = [line_text(line) for line in document.lines(20)]
    assert lines[0] == "x"
    assert lines[1].startswith("<http")
    assert lines[-3:] == ["word", "", "end"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["word ", "汉字，", "x", "\n", "\n\n", "y" * 700]), max_size=40))
def test_plain_text_looks_the_same_however_it_comes(pieces: list[str]) -> None:
    whole = plain()
    whole.feed("".join(pieces))
    whole.finish()
    document = plain()
    for piece in pieces:
        document.feed(piece)
        document.lines(30)
    document.finish()
    assert [*document.lines(30)] == [*whole.lines(30)]


def test_a_long_line_that_is_shown_while_it_grows_is_shown_once() -> None:
    document, text = plain(), "".join(f"w{n} " for n in range(2000))
    for at in range(0, len(text), 300):
        document.feed(text[at : at + 300])
        document.lines(80)
    document.finish()
    assert len(text) > 4 * LONGEST
    shown = " ".join(map(line_text, document.lines(80)))
    assert shown == text.strip()


def test_a_million_blank_lines_are_one_block() -> None:
    document = plain()
    document.feed("a" + "\n" * 1_000_000 + "b")
    document.finish()
    assert document.layout(80).blocks == 3
    assert len(document.layout(80)) == 1_000_001


def test_a_long_paragraph_that_has_ended_keeps_no_lines_of_its_own() -> None:
    document = plain()
    document.feed("汉字，" * 20_000)
    document.lines(80)
    document.finish()
    document.lines(80)
    flows = [block for block in document._reader.blocks if isinstance(block, Flow)]
    assert len(flows) >= 2
    assert all(flow._chunks is None or flow._chunks._wrapper is None for flow in flows)
