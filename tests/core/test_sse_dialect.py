"""The `sse` dialect: what it asks, and what ends an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.fixtures.simple import COMPLETE, DONE, EMPTY, codec, read, sent, told
from core.fixtures.streams import cuts, event, reply, seen
from ssechat.core.conversation import Prompt, Role, Turn
from ssechat.core.deltas import EndState, Text, Usage, Verdict
from ssechat.core.frames import Frame

PROMPT = Prompt(
    (
        Turn(Role.SYSTEM, "be kind"),
        Turn(Role.USER, "first"),
        Turn(Role.ASSISTANT, "ho"),
        Turn(Role.USER, "1 + 1 & more?\n傅 \ud83d"),
    ),
    "m",
)
MESSAGES = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": "ho"},
    {"role": "user", "content": "1 + 1 & more?\n傅 \ufffd"},
]


def verdict(*events: Frame, **options: Any) -> Verdict | None:
    return reply(told(*events, **options)).verdict


def posted(asked: Prompt = PROMPT, **options: Any) -> Any:
    return json.loads(codec(**options).request(asked).body)


# Whole streams, however they are cut

BARE = "data: Grüße, \n\ndata:  傅里叶 \n\n: heartbeat\n\ndata: 👋\n\ndata: 42\n\ndata: [DONE]\n\n"
NUMBERED = (
    'retry: 3000\nid: 1\nevent: message\ndata: {"content": "Half"}\n\n'
    'id: 2\nevent: message\ndata: {"content": " \\ud83d\\ude00"}\n\nid: 3\nevent: end\ndata: {}\n\n'
)
TYPED = (
    'data: {"type": "thinking", "content": "A map?"}\r\n\r\n'
    'data: {"type": "text", "content": "Look: "}\r\n\r\n'
    'data: {"type": "image", "content": "iVBORw0KGgo=", "mime": "image/png"}\r\n\r\n'
    'data: {"type": "audio", "content": "SUQz", "mime": "audio/mpeg"}\r\n\r\n'
    'data: {"type": "usage", "input_tokens": 3, "output_tokens": 4}\r\n\r\n'
    'data: {"type": "end"}\r\n\r\n'
)
CHUNKS = (
    'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
    'data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"length"}]}\n\n'
    "data: [DONE]"
)


@pytest.mark.parametrize("stream", [BARE, NUMBERED, TYPED, CHUNKS])
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = stream.encode()
    expected = seen(read([whole]))
    for chunks in cuts(whole):
        assert seen(read(chunks)) == expected


@pytest.mark.parametrize(
    ("stream", "answer", "end"),
    [
        (BARE, "Grüße,  傅里叶 👋42", COMPLETE),
        (NUMBERED, "Half 😀", COMPLETE),
        (TYPED, "Look: ", COMPLETE),
        (CHUNKS, "Hello", Verdict(EndState.LENGTH)),
    ],
)
def test_each_kind_of_stream_is_read(stream: str, answer: str, end: Verdict) -> None:
    folded = read([stream.encode()])
    assert (folded.answer, folded.verdict) == (answer, end)


# Ends, with auto


@pytest.mark.parametrize(
    "mark",
    [
        DONE,
        event(" [DONE] "),
        event("[DONE]", "done"),
        event("", "end"),
        event("bye", "done"),
        event("{}", "complete"),
        event('"x"', "close"),
        sent({"type": "end"}),
        sent({"type": "done", "content": "all of it again"}),
        sent({"done": True}),
    ],
)
def test_a_mark_ends_the_answer_and_nothing_counts_after_it(mark: Frame) -> None:
    assert told(event("a"), mark, event("b"), event("no", "error")) == [Text("a"), COMPLETE]


@pytest.mark.parametrize("field", ["finish_reason", "done_reason"])
def test_a_reason_is_the_verdict_and_the_mark_makes_it_final(field: str) -> None:
    last = sent({"text": "", field: "length"})
    open_end = Verdict(EndState.LENGTH, last=False)
    assert told(event("a"), last) == [Text("a"), open_end]
    assert told(event("a"), last, DONE) == [Text("a"), open_end, Verdict(EndState.LENGTH)]


def test_a_reason_may_come_with_the_end() -> None:
    assert verdict(event("a"), sent({"type": "end", "finish_reason": "length"})) == Verdict(
        EndState.LENGTH
    )


def test_an_end_may_tell_usage() -> None:
    last = event('{"usage": {"prompt_tokens": 1, "completion_tokens": 2}}', "done")
    assert told(event("a"), last) == [Text("a"), Usage(1, 2), COMPLETE]


def test_text_and_done_may_come_in_one() -> None:
    assert told(sent({"token": "a", "done": False}), sent({"token": "b", "done": True})) == [
        Text("a"),
        Text("b"),
        COMPLETE,
    ]


def test_an_end_without_an_answer_is_a_failure() -> None:
    assert verdict(DONE) == EMPTY
    assert verdict(sent({"type": "text", "content": ""}), event("", "end")) == EMPTY


def test_what_was_held_back_counts_as_an_answer() -> None:
    assert told(event("<thi"), DONE) == [Text("<thi"), COMPLETE]


@pytest.mark.parametrize(
    ("failure", "note"),
    [
        (event("Internal Server Error", "error"), "Internal Server Error"),
        (event('"a string"', "error"), "a string"),
        (event("", "error"), "the server reports an error"),
        (event('{"message": "bad\\ngateway"}', "error"), "bad gateway"),
        (event('{"error": {"message": "deep"}}', "error"), "deep"),
        (event('{"content": "here"}', "error"), "here"),
        (event('{"detail": "no such session"}', "ERROR"), "no such session"),
        (sent({"type": "error", "content": "boom"}), "boom"),
        (sent({"type": "error"}), "the server reports an error"),
        (sent({"error": "out of memory"}), "out of memory"),
        (sent({"error": {"type": "overloaded"}}), "overloaded"),
        (sent({"choices": [], "error": {"message": "in a chunk"}}), "in a chunk"),
    ],
)
def test_an_error_fails_the_stream_for_good_and_keeps_the_text(failure: Frame, note: str) -> None:
    assert told(event("a"), failure, event("b"), DONE) == [
        Text("a"),
        Verdict(EndState.FAILED, note),
    ]


def test_a_body_that_just_ends_has_no_verdict_but_a_note_that_says_what_would_help() -> None:
    assert verdict(event("a")) is None
    simple = codec()
    assert simple.CUT_NOTE == 'this server sends no end mark; end = "eof" accepts that'
    assert not simple.ENDS_AT_EOF


# Ends, by eof and by a literal


def test_with_eof_a_clean_end_of_the_body_is_one_and_marks_still_are() -> None:
    simple = codec(end="eof")
    assert (simple.CUT_NOTE, simple.ENDS_AT_EOF) == ("", True)
    assert told(event("a"), DONE, event("b"), end="eof") == [Text("a"), COMPLETE]
    assert told(event("a"), end="eof") == [Text("a")]


def test_only_the_literal_ends_where_there_is_one() -> None:
    simple = codec(end="<END>")
    assert simple.END_MARK == "<END>"
    assert (simple.CUT_NOTE, simple.ENDS_AT_EOF) == ("", False)
    others = event("x", "done"), sent({"type": "end"}), sent({"done": True}), DONE
    assert told(event("a"), *others, event("<END>"), event("b"), end="<END>") == [
        Text("a"),
        Text("x"),
        Text("[DONE]"),
        COMPLETE,
    ]


def test_a_reason_waits_for_the_literal() -> None:
    last = sent({"choices": [{"delta": {"content": "a"}, "finish_reason": "length"}]})
    assert told(last, end="END") == [Text("a")]
    assert told(last, event("END"), end="END") == [Text("a"), Verdict(EndState.LENGTH)]


def test_an_error_does_not_wait_for_the_literal() -> None:
    assert verdict(event("a"), event("no", "error"), end="END") == Verdict(EndState.FAILED, "no")


# Requests


def test_the_last_words_of_the_user_are_posted_as_the_prompt() -> None:
    call = codec().request(PROMPT)
    assert (call.method, call.path) == ("POST", "")
    assert call.headers == {"content-type": "application/json"}
    assert json.loads(call.body) == {"prompt": "1 + 1 & more?\n傅 \ufffd"}


def test_fields_have_the_names_that_the_profile_gives_them() -> None:
    assert codec(path="chat").request(PROMPT).path == "chat"
    assert posted(prompt="q", model="engine") == {"q": MESSAGES[-1]["content"], "engine": "m"}
    assert posted(prompt="", messages="history") == {"history": MESSAGES}
    assert posted(messages="history")["prompt"] == MESSAGES[-1]["content"]


def test_params_are_sent_as_they_are_and_win() -> None:
    prompt = Prompt(PROMPT.turns, "m", {"prompt": "other", "stream": True, "top": [1]})
    assert posted(prompt) == {"prompt": "other", "stream": True, "top": [1]}


def test_a_get_carries_the_prompt_percent_encoded() -> None:
    call = codec(method="GET", messages="ignored").request(PROMPT)
    assert (call.method, call.body, call.headers) == ("GET", b"", {})
    assert call.path == "?prompt=1%20%2B%201%20%26%20more%3F%0A%E5%82%85%20%EF%BF%BD"


def test_a_get_keeps_a_query_and_carries_params() -> None:
    prompt = Prompt((Turn(Role.USER, "hi/"),), "m", {"top": 3, "raw": True, "mode": "a b"})
    call = codec(method="GET", path="chat?v=1", prompt="q", model="model").request(prompt)
    assert call.path == "chat?v=1&q=hi%2F&model=m&top=3&raw=true&mode=a%20b"


def test_without_a_user_turn_the_prompt_is_empty() -> None:
    assert posted(Prompt((), "m")) == {"prompt": ""}


def test_a_cut_answer_is_continued_by_a_message_only_where_all_turns_are_sent() -> None:
    assert codec().continuation(PROMPT, "Half", "") is None
    assert codec(method="GET", messages="messages").continuation(PROMPT, "Half", "") is None
    going_on = codec(messages="messages").continuation(PROMPT, "Half", "")
    assert going_on is not None
    assert (going_on.how, going_on.trim) == ("by a message", True)
    *_, partial, nudge = json.loads(going_on.call.body)["messages"]
    assert partial == {"role": "assistant", "content": "Half"}
    assert nudge["role"] == "user"


def test_the_rest_of_the_surface() -> None:
    simple = codec()
    assert (simple.END_MARK, simple.MODELS_PATH, simple.SCHEME) == ("[DONE]", "", "")
    assert simple.models(b'{"data":[{"id":"a"}]}') == []
    assert simple.auth("k") == {"Authorization": "Bearer k"}
    assert simple.event_id(event("x")) == ""
    assert simple.error_text(b'{"detail":"Not Found"}') == "Not Found"
    assert simple.decoder().fetched("{}") == []
