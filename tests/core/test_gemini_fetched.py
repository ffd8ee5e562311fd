"""The final object of an interaction."""

from __future__ import annotations

from typing import Any

import pytest

from core.fixtures.gemini_steps import (
    NAME,
    created,
    delta,
    fetched,
    output,
    said,
    start,
    stop,
    text,
)
from ssechat.core.deltas import (
    Citation,
    EndState,
    Media,
    MediaKind,
    Text,
    Tool,
    Usage,
    Verdict,
    Whole,
)
from ssechat.core.dialects import dialect

DONE = Verdict(EndState.COMPLETE)
QUESTION = {"type": "user_input", "content": [text("hi")]}
THOUGHT = {"type": "thought", "summary": [text("t1 "), text("t2")], "signature": "c2ln"}


def final(*steps: Any, status: Any = "completed", **more: Any) -> dict[str, Any]:
    return {"id": "v1_a", "status": status, "steps": list(steps), **more}


def test_the_answer_is_what_stands_after_the_last_question() -> None:
    earlier = [QUESTION, output(text("old")), QUESTION]
    counts = {"total_input_tokens": 5, "total_output_tokens": 2, "total_thought_tokens": 1}
    answer = final(*earlier, THOUGHT, output(text("a"), text("b")), output(text("c")), usage=counts)
    assert fetched(answer) == [Whole("abc", "t1 t2"), Usage(5, 3, 1), DONE]


def test_outputs_count_where_there_are_no_steps() -> None:
    old = {"status": "completed", "outputs": [text("a"), {"type": "thought"}, text("b")]}
    assert fetched(old) == [Whole("ab"), DONE]


def test_without_text_nothing_is_healed() -> None:
    assert fetched(final(QUESTION)) == [DONE]
    assert fetched(final(), said("a")) == [DONE]


@pytest.mark.parametrize("status", ["in_progress", "queued", "new", None, 5])
def test_nothing_is_told_while_the_server_works(status: Any) -> None:
    assert fetched(final(output(text("a")), status=status)) == []


@pytest.mark.parametrize("body", ["", "<html>", "[]", "null", '{"error":{"code":500}}', "[" * 9999])
def test_what_is_no_interaction_tells_nothing(body: str) -> None:
    assert dialect(NAME).decoder().fetched(body) == []


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("requires_action", EndState.COMPLETE),
        ("incomplete", EndState.LENGTH),
        ("budget_exceeded", EndState.LENGTH),
        ("requires_continuation", EndState.LENGTH),
        ("cancelled", EndState.STOPPED),
        ("failed", EndState.FAILED),
    ],
)
def test_the_last_verdict_is_the_status(status: str, state: EndState) -> None:
    *_, verdict = fetched(final(output(text("a")), status=status))
    assert isinstance(verdict, Verdict)
    assert (verdict.state, verdict.last) == (state, True)


def test_a_failure_says_why_and_takes_no_text_away() -> None:
    broken = final(output(text("ab")), status="failed", errors=[{"message": "It broke."}])
    failed = Verdict(EndState.FAILED, "It broke.")
    assert fetched(broken, said("a")) == [Whole("ab"), failed]
    assert fetched(broken, said("abc")) == [failed]


def test_nothing_counts_after_it() -> None:
    decoder = dialect(NAME).decoder()
    assert decoder.fetched('{"status":"completed"}') == [DONE]
    assert decoder.decode(said("b")) == []


def test_half_a_surrogate_pair_that_was_held_is_part_of_the_whole_or_lost() -> None:
    assert fetched(final(output(text("a😀"))), said("a\ud83d")) == [Whole("a😀"), DONE]
    assert fetched(final(), said("a\ud83d")) == [Text("\ufffd"), DONE]


def test_a_picture_has_the_name_that_it_had_in_the_stream() -> None:
    picture = {"type": "image", "data": "YQ==", "mime_type": "image/png"}
    sound = {"type": "audio", "data": "YWI=", "mime_type": "audio/wav"}
    shown = Media(MediaKind.IMAGE, "1.0", b"a", "image/png", whole=True)
    heard = Media(MediaKind.AUDIO, "1", b"ab", "audio/wav", whole=True)
    seen = [start(1, "model_output"), delta(1, "image", data="Yg==")]
    assert fetched(final(QUESTION, THOUGHT, output(picture, sound)), *seen) == [
        shown,
        heard,
        Whole(thinking="t1 t2"),
        DONE,
    ]


def test_a_call_that_came_is_not_told_again() -> None:
    call = {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}}
    asks = Verdict(EndState.COMPLETE, "asks for a tool")
    assert fetched(final(QUESTION, call)) == [
        Tool(0, "c", "f"),
        Tool(0, arguments='{"a": 1}'),
        asks,
    ]
    came = [created(), _started(call), stop(0)]
    assert fetched(final(QUESTION, call), *came) == [asks]
    answered = {"type": "function_result", "call_id": "c"}
    assert fetched(final(QUESTION, call, answered), *came) == [DONE]


def _started(call: dict[str, Any]) -> Any:
    return start(0, call["type"], id=call["id"], name=call["name"], arguments=call["arguments"])


def test_a_source_that_came_is_not_told_again() -> None:
    notes = [{"url": f"https://{name}.example"} for name in "ab"]
    came = delta(0, "text", text="x", annotations=notes[:1])
    assert fetched(final(output(text("x", annotations=notes))), came) == [
        Citation(url="https://b.example"),
        Whole("x"),
        DONE,
    ]
