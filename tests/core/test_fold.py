"""The fold: what frames add up to, whether they arrive one by one or come from the journal."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import EndState, Text
from ssechat.core.dialects import dialect
from ssechat.core.fold import Fold, mark, mark_note
from ssechat.core.frames import Frame, FrameKind, MarkName


def fold(*frames: Frame) -> Fold:
    made = Fold(dialect("openai-chat").decoder())
    for frame in frames:
        made.take(frame)
    return made


def event(data: object, mono: float = 0.0, own_id: str | None = None) -> Frame:
    text = data if isinstance(data, str) else json.dumps(data)
    return Frame(
        FrameKind.EVENT, text, id=own_id or "", own_id=own_id is not None, mono=mono, began=mono
    )


def words(text: str, mono: float = 0.0, own_id: str | None = None, key: str = "content") -> Frame:
    return event({"choices": [{"index": 0, "delta": {key: text}}]}, mono, own_id)


def end(reason: str = "stop") -> Frame:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


def usage(output: int, reasoning: int = 0) -> Frame:
    details = {"reasoning_tokens": reasoning}
    return event(
        {
            "choices": [],
            "usage": {"completion_tokens": output, "completion_tokens_details": details},
        }
    )


DONE = event("[DONE]")
LOST = mark(MarkName.LOST, 100.0, 10.0, why="the connection was cut")
RESUMED = mark(MarkName.RESUMED, 103.0, 13.0, checked=2)


def test_thinking_and_answer_are_told_apart() -> None:
    made = fold(words("hm", key="reasoning_content"), words("yes"), words(", so"), end(), DONE)
    assert (made.reply.thinking, made.reply.answer) == ("hm", "yes, so")
    assert made.reply.verdict is not None
    assert made.reply.verdict.state is EndState.COMPLETE


def test_nothing_is_decoded_after_the_last_word() -> None:
    made = fold(words("yes"), end(), DONE, words(" and no"), end("length"))
    assert made.reply.answer == "yes"
    assert made.reply.verdict is not None
    assert made.reply.verdict.state is EndState.COMPLETE


def test_what_the_decoder_holds_back_comes_out_at_the_end() -> None:
    made = fold(words("<thi"))
    assert made.reply.answer == ""
    assert made.close(0.0) == [Text("<thi")]
    assert made.reply.answer == "<thi"


def test_a_lost_connection_leaves_a_seam_that_closes_when_it_goes_on() -> None:
    made = fold(words("ab"), LOST)
    assert made.away
    (seam,) = made.reply.parts[0].seams
    assert (seam.offset, seam.why, seam.after) == (2, "the connection was cut", None)
    made.take(RESUMED)
    assert not made.away
    assert made.resumes == 1
    assert (seam.after, seam.checked) == (3.0, 2)


def test_losing_it_again_before_it_goes_on_is_one_seam() -> None:
    again = mark(MarkName.LOST, 101.0, 11.0, why="again")
    made = fold(words("ab"), LOST, again, RESUMED)
    (seam,) = made.reply.parts[0].seams
    assert (seam.why, seam.after) == ("the connection was cut", 3.0)


def test_a_gap_is_marked_where_it_is() -> None:
    made = fold(words("ab"), mark(MarkName.GAP, 1.0, 1.0, **{"from": "e2", "to": "e5"}))
    (seam,) = made.reply.parts[0].seams
    assert (seam.offset, seam.missing) == (2, "e2 … e5")


GAP = mark(MarkName.GAP, 1.0, 1.0, **{"from": "", "to": "e2"})


def test_a_gap_before_the_first_word_is_marked_in_front_of_it() -> None:
    made = fold(GAP, words("hm", key="reasoning_content"), words("b"))
    thinking, text = made.reply.parts
    assert [(seam.offset, seam.missing) for seam in thinking.seams] == [(0, " … e2")]
    assert text.seams == []


def test_an_answer_of_which_only_the_gap_came_shows_it() -> None:
    made = fold(GAP, end(), DONE)
    (part,) = made.reply.parts
    assert (part.text, part.ended, [seam.missing for seam in part.seams]) == ("", 0.0, [" … e2"])


@pytest.mark.parametrize("data", ["", "{", "[]", "7", '{"checked": "many"}', '{"why": {}}', "\x1b"])
@pytest.mark.parametrize("name", [name for name in MarkName if name is not MarkName.EOF])
def test_a_mark_with_a_strange_note_is_harmless(name: MarkName, data: str) -> None:
    strange = Frame(FrameKind.MARK, data, name)
    made = fold(words("a"), strange, strange, words("b"))
    assert made.reply.answer == "ab"
    assert isinstance(mark_note(strange), dict)


def test_the_last_id_is_that_of_the_last_event_and_not_of_a_comment() -> None:
    # In a replay from the start, comments carry ids that were passed long ago.
    comment = Frame(FrameKind.COMMENT, "keepalive", id="e1")
    made = fold(words("a", own_id="e1"), words("b", own_id="e2"), comment, LOST)
    assert made.last_id == "e2"
    made.take(Frame(FrameKind.CURSOR, id="e3", own_id=True))
    assert made.last_id == "e3"
    made.take(Frame(FrameKind.CURSOR, id="", own_id=True))
    assert made.last_id == ""


def test_times_run_from_the_request_over_the_first_event_to_the_first_word() -> None:
    made = fold(
        mark(MarkName.SENT, 50.0, 5.0),
        Frame(FrameKind.COMMENT, "hello", mono=5.1, began=5.1),
        event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}, 5.5),
        words("a", 6.0),
    )
    assert made.meter.ttfb() == pytest.approx(0.5)
    assert made.meter.ttft() == pytest.approx(1.0)


def test_tokens_are_estimated_until_the_server_counts_them() -> None:
    made = fold(words("a"), words("b"), words("c"))
    assert (made.tokens, made.estimated) == (3, True)
    for frame in (end(), usage(42)):
        made.take(frame)
    assert (made.tokens, made.estimated) == (42, False)


def test_hidden_reasoning_does_not_count_for_the_rate_and_shown_reasoning_does() -> None:
    answer = [words("word ", 2 + n / 10) for n in range(11)]
    hidden = fold(*answer, end(), usage(111, reasoning=100))
    assert hidden.rate == pytest.approx(11.0)
    shown = [words("hm ", 1 + n / 10, key="reasoning_content") for n in range(10)]
    assert fold(*shown, *answer, end(), usage(21, reasoning=10)).rate == pytest.approx(10.5)


def test_the_note_of_a_verdict_survives_a_later_one_without() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    tool = event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    made = fold(tool, end("tool_calls"), DONE)
    assert made.reply.verdict is not None
    assert made.reply.verdict.note == "asks for a tool"


# Answers that go on from another one's text, at an API that has a final object


def response(*frames: Frame) -> Fold:
    made = Fold(dialect("openai-responses").decoder())
    for frame in frames:
        made.take(frame)
    return made


def goes_on(text: str, *, trim: bool = True) -> Frame:
    return mark(MarkName.CONTINUED, 1.0, 1.0, text=text, trim=trim, how="by a message")


def piece(text: str) -> Frame:
    return event({"type": "response.output_text.delta", "output_index": 0, "delta": text})


def completed(text: str) -> dict[str, object]:
    said = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return {"id": "resp_1", "status": "completed", "output": [said]}


def fetched(text: str) -> Frame:
    return mark(MarkName.FETCHED, 105.0, 15.0, body=json.dumps(completed(text)))


def ends(text: str) -> Frame:
    return event({"type": "response.completed", "response": completed(text)})


PARTIAL = "Once upon a time there"


@pytest.mark.parametrize(
    ("came", "whole"),
    [
        ([" was", " a"], " was a fox."),
        ([], " was a fox."),
        (["upon a time there was"], "upon a time there was a fox."),
        (["upon a ti"], "upon a time there was a fox."),
        ([" was a fox."], " was a fox."),
        ([" was a dog"], " was a fox."),
    ],
)
@pytest.mark.parametrize("end", [fetched, ends])
def test_a_final_object_has_what_came_after_the_text_that_an_answer_goes_on_from(
    end: Callable[[str], Frame], came: list[str], whole: str
) -> None:
    made = response(goes_on(PARTIAL), *map(piece, came), LOST, end(whole))
    assert made.reply.answer == f"{PARTIAL} was a fox."
    assert made.reply.verdict is not None
    assert made.reply.verdict.state is EndState.COMPLETE
    assert made.close(20.0) == []
    assert made.reply.answer == f"{PARTIAL} was a fox."


def test_without_a_repetition_to_trim_the_object_is_added_as_it_is() -> None:
    made = response(goes_on("ha ha ha ha ", trim=False), piece("ha ha"), ends("ha ha ha ha "))
    assert made.reply.answer == "ha ha ha ha ha ha ha ha "


@given(st.text("ab ", max_size=30), st.text("ab ", max_size=40), st.integers(0, 40), st.booleans())
def test_it_does_not_matter_how_much_came_before_the_object(
    old: str, whole: str, came: int, trim: bool
) -> None:
    cut = response(goes_on(old, trim=trim), piece(whole[:came]), LOST, fetched(whole))
    uncut = response(goes_on(old, trim=trim), piece(whole), ends(whole))
    assert cut.reply.answer == uncut.reply.answer


PIECES = st.lists(
    st.one_of(
        st.text(max_size=5).map(words),
        st.text(max_size=5).map(lambda text: words(text, key="reasoning_content")),
        st.sampled_from([LOST, RESUMED, end(), DONE, words("<think>"), words("</think>")]),
        st.text(max_size=8).map(event),
    ),
    max_size=20,
)


@given(PIECES)
def test_from_the_journal_it_adds_up_to_the_same(frames: list[Frame]) -> None:
    live, again = fold(), fold(*frames)
    for frame in frames:
        live.take(frame)
    live.close(0.0)
    again.close(0.0)
    assert live.reply.store() == again.reply.store()
    assert live.reply.verdict == again.reply.verdict


@given(PIECES)
def test_deltas_handed_out_are_the_text_that_is_folded(frames: list[Frame]) -> None:
    made = fold()
    told = [delta for frame in frames for delta in made.take(frame)] + made.close(0.0)
    answer = "".join(delta.text for delta in told if isinstance(delta, Text))
    assert answer == made.reply.answer
