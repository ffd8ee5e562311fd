from __future__ import annotations

import pytest

from core.fixtures.chat import chunk, said, told
from core.fixtures.streams import event, spoken
from ssechat.core.deltas import EndState, Text, Thinking, Verdict
from ssechat.core.dialects import openai_chat


def test_reasoning_content_wins_over_its_copies() -> None:
    copies = {
        "reasoning_content": "a",
        "reasoning": "b",
        "reasoning_details": [{"type": "reasoning.text", "text": "c"}],
    }
    assert told(chunk(copies)) == [Thinking("a")]
    assert told(chunk({**copies, "reasoning_content": ""})) == [Thinking("b")]
    assert told(chunk({**copies, "reasoning_content": None, "reasoning": None})) == [Thinking("c")]


def test_reasoning_details_give_text_and_summary_but_nothing_encrypted() -> None:
    details = [
        {"type": "reasoning.summary", "summary": "s"},
        {"type": "reasoning.encrypted", "data": "AAAA"},
        {"type": "reasoning.text", "text": "t"},
    ]
    assert told(chunk({"reasoning_details": details})) == [Thinking("st")]


def test_mistrals_list_of_parts_is_read() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
    ]
    assert told(chunk({"content": parts})) == [Thinking("hm"), Text("yes")]


def test_a_tag_is_literal_where_the_server_tells_thinking_apart() -> None:
    assert told(chunk({"reasoning": "r"}), said("<think>x"), said("</think>")) == [
        Thinking("r"),
        Text("<think>x"),
        Text("</think>"),
    ]


@pytest.mark.parametrize(
    ("answer", "runs"),
    [
        ("<think>a</think>b", [(Thinking, -1, "a"), (Text, -1, "b")]),
        ("\n <think>\na\n</think>\n\nb", [(Thinking, -1, "a\n"), (Text, -1, "b")]),
        ("<think>\n\n</think>\n\nb", [(Text, -1, "b")]),
        ("<think>1 </thin k>", [(Thinking, -1, "1 </thin k>")]),
        ("<think>a</th", [(Thinking, -1, "a</th")]),
        ("<think>a</</think>b", [(Thinking, -1, "a</"), (Text, -1, "b")]),
        ("<thin", [(Text, -1, "<thin")]),
        ("<thinking>a", [(Text, -1, "<thinking>a")]),
        ("a <think>b</think>", [(Text, -1, "a <think>b</think>")]),
        ("<think>a</think>b <think>c", [(Thinking, -1, "a"), (Text, -1, "b <think>c")]),
        (" " * 64 + "<think>a", [(Thinking, -1, "a")]),
        (" " * 65 + "<think>a", [(Text, -1, " " * 65 + "<think>a")]),
    ],
)
def test_think_tags_split_alike_wherever_they_are_cut(
    answer: str, runs: list[tuple[type, int, str]]
) -> None:
    assert spoken(told(*map(said, answer))) == runs
    for at in range(len(answer) + 1):
        assert spoken(told(said(answer[:at]), said(answer[at:]))) == runs


def test_text_comes_out_as_soon_as_it_cannot_be_a_tag() -> None:
    decoder = openai_chat.decoder()
    assert decoder.decode(said("<thi")) == []
    assert decoder.decode(said("s")) == [Text("<this")]
    decoder = openai_chat.decoder()
    assert decoder.decode(said("<think>a</")) == [Thinking("a")]
    assert decoder.decode(said("b")) == [Thinking("</b")]


def test_a_held_start_of_a_tag_comes_out_before_the_verdict() -> None:
    assert told(said("<th"), chunk(finish="stop")) == [
        Text("<th"),
        Verdict(EndState.COMPLETE, last=False),
    ]
    assert told(said("<th"), event('{"error":"x"}')) == [Text("<th"), Verdict(EndState.FAILED, "x")]


def test_close_gives_back_what_is_held_once() -> None:
    decoder = openai_chat.decoder()
    assert decoder.decode(said("<th")) == []
    assert decoder.close() == [Text("<th")]
    assert decoder.close() == []
