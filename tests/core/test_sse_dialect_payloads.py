"""The `sse` dialect: what a payload is."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fixtures.hostile import JSON, check, nested
from core.fixtures.simple import DONE, answer, codec, sent, told
from core.fixtures.streams import event, spoken
from ssechat.core.deltas import Media, MediaKind, Text, Thinking, Usage
from ssechat.core.frames import Frame, FrameKind

PNG = b"\x89PNG\r\n\x1a\n"
IMAGE, AUDIO = MediaKind.IMAGE, MediaKind.AUDIO


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def media(*events: Frame, **options: Any) -> list[Media]:
    return [delta for delta in told(*events, **options) if isinstance(delta, Media)]


# Bare text


@pytest.mark.parametrize(
    "data",
    [
        *(" Paris", "  ", "a\nb", "42", "-1.5e3", "true", "null", "[1, 2]", "{", "{}", '{"a": 1}'),
        *('"', "[DONE", "data: x", "\u2028"),
    ],
)
def test_what_is_nothing_else_is_text_as_it_stands(data: str) -> None:
    assert answer(event(data)) == data


def test_a_json_string_is_its_text() -> None:
    assert answer(event('"Hi"'), event('" \\ud83d"'), event('"\\ude00\\n"')) == "Hi 😀\n"


def test_quotes_belong_to_a_text_where_another_one_came_without() -> None:
    assert answer(event("say "), event('"yes"')) == 'say "yes"'
    assert answer(event("42"), event('"yes"')) == "42yes"


def test_thinking_in_tags_is_split_off() -> None:
    pieces = [event("<think>"), event("hm"), event("</think>"), event("Yes")]
    assert spoken(told(*pieces)) == [(Thinking, -1, "hm"), (Text, -1, "Yes")]


def test_an_events_name_can_say_what_a_bare_payload_is() -> None:
    assert told(event("hm", "thinking"), event("Yes", "token"), event("1", "ping")) == [
        Thinking("hm"),
        Text("Yes"),
    ]
    assert media(event(b64(PNG), "image")) == [Media(IMAGE, "image-1", PNG, whole=True)]


# Objects


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "text", "content": "a"},
        {"type": "TEXT", "text": "a"},
        {"type": "token", "content": "a"},
        {"text": "a"},
        {"content": "a", "id": 7},
        {"delta": {"text": "a"}},
        {"delta": {"content": "a"}},
        {"token": "a", "done": False},
        {"token": {"text": "a"}},
        {"response": "a"},
        {"message": {"role": "assistant", "content": "a"}},
        {"text": "", "content": "a"},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"choices": [{"delta": {"content": "a"}}]},
        {"choices": [{"message": {"content": "a"}}]},
    ],
)
def test_text_is_found_where_it_usually_lies(fields: dict[str, Any]) -> None:
    assert answer(sent(fields)) == "a"


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "thinking", "content": "a"},
        {"type": "reasoning", "text": "a"},
        {"type": "thinking", "thinking": "a"},
        {"reasoning_content": "a"},
        {"thinking": "a", "content": ""},
        {"choices": [{"delta": {"reasoning_content": "a"}}]},
    ],
)
def test_thinking_is_found_where_it_usually_lies(fields: dict[str, Any]) -> None:
    assert told(sent(fields))[-1:] == [Thinking("a")]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "text", "content": ""},
        {"type": "text", "content": None},
        {"type": "ping"},
        {"type": "heartbeat", "content": "still here"},
        {"type": "start", "content": "session 7"},
        {"type": "unheard of", "n": 1},
        {"done": False},
        {"choices": []},
        {"type": "usage"},
        {"type": "image", "content": "*"},
        {"type": "audio"},
    ],
)
def test_an_object_that_only_steers_is_no_text(fields: dict[str, Any]) -> None:
    assert told(sent(fields)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "usage", "input_tokens": 3, "output_tokens": 5},
        {"type": "usage", "content": {"prompt_tokens": 3, "completion_tokens": 5}},
        {"type": "usage", "usage": {"input": 3, "output": 5}},
        {"usage": {"prompt_tokens": 3, "completion_tokens": 5}},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}},
    ],
)
def test_usage_is_read(fields: dict[str, Any]) -> None:
    assert told(sent(fields)) == [Usage(3, 5)]


def test_where_paths_are_given_text_lies_there_and_nowhere_else() -> None:
    events = sent({"d": [{"t": "a"}], "text": "x"}), sent({"u": "b"}), sent({"text": "x"})
    assert answer(*events, text="d.0.t, u") == "ab"


def test_a_path_may_lead_into_chunks_that_are_not_of_chat() -> None:
    events = sent({"choices": [{"text": "a"}]}), sent({"choices": [{"text": "", "x": 1}]})
    assert answer(*events, text="choices.0.text") == "a"


def test_the_fields_for_thinking_kind_and_mime_have_paths_too() -> None:
    options = {"thinking": "a.b", "kind": "meta.kind", "mime": "meta.mime"}
    picture = {"meta": {"kind": "image", "mime": "image/png"}, "data": b64(PNG)}
    assert told(sent({"a": {"b": "hm"}}), sent(picture), **options) == [
        Thinking("hm"),
        Media(IMAGE, "image-1", PNG, "image/png", whole=True),
    ]


@pytest.mark.parametrize("path", ["a.9", "a.-1", "a.x", "a.0.0", "b.0", "a.99999999999999999999"])
def test_a_path_that_leads_nowhere_finds_nothing(path: str) -> None:
    assert told(sent({"a": ["x"]}), text=path) == ([] if path != "a.0" else [Text("x")])


# Images and audio


def test_each_image_is_a_thing_of_its_own_and_its_text_goes_on() -> None:
    picture = sent({"type": "image", "content": b64(PNG), "mime": "image/png"})
    assert told(picture, sent({"type": "text", "content": "a"}), picture) == [
        Media(IMAGE, "image-1", PNG, "image/png", whole=True),
        Text("a"),
        Media(IMAGE, "image-2", PNG, "image/png", whole=True),
    ]


def test_images_in_and_behind_urls() -> None:
    inside = sent({"type": "image", "content": "data:image/png;base64," + b64(PNG)})
    behind = sent({"type": "image", "url": "https://example.org/a.png"})
    assert media(inside, behind) == [
        Media(IMAGE, "image-1", PNG, "image/png", whole=True),
        Media(IMAGE, "image-2", url="https://example.org/a.png", whole=True),
    ]


def test_audio_comes_in_pieces_until_a_new_file_begins() -> None:
    wav = b"RIFF\x24\0\0\0WAVEfmt "
    pieces = [sent({"type": "audio", "content": b64(data)}) for data in (wav, b"123", wav)]
    assert media(*pieces) == [
        Media(AUDIO, "audio-1", wav),
        Media(AUDIO, "audio-1", b"123"),
        Media(AUDIO, "audio-2", wav),
    ]


def test_an_image_alone_is_an_answer() -> None:
    *_, end = told(sent({"type": "image", "content": b64(PNG)}), DONE)
    assert end.state == "complete"


# Whatever comes


def test_comments_and_marks_mean_nothing() -> None:
    frames = [Frame(FrameKind.COMMENT, "heartbeat"), Frame(FrameKind.CURSOR, id="7")]
    assert told(*frames, Frame(FrameKind.MARK, "{}", "lost")) == []


NAMES = st.sampled_from(["message", "error", "end", "thinking", "image", "usage", "x", "Done"])
TYPES = st.sampled_from(["text", "thinking", "image", "audio", "usage", "error", "end", "x"])
FIELDS = [
    (),
    *((name,) for name in ("type", "content", "mime", "text", "usage", "error", "done", "data")),
    *(("content", name) for name in ("text", "input_tokens", "content")),
    ("finish_reason",),
    ("choices",),
    ("choices", 0, "delta", "content"),
    ("choices", 0, "finish_reason"),
]
OPTIONS = st.sampled_from(
    [{}, {"end": "x"}, {"text": "content.0.text, a"}, {"kind": "content", "mime": "type.text"}]
)


@given(st.lists(st.tuples(st.sampled_from(FIELDS), JSON, NAMES), max_size=5), OPTIONS)
def test_any_value_in_any_field_is_survived(splices: list[Any], options: dict[str, Any]) -> None:
    events = [event(json.dumps(nested(path, value)), name) for path, value, name in splices]
    check(told(*events, DONE, **options))


@given(st.lists(st.tuples(TYPES, JSON), max_size=5))
def test_any_content_of_any_type_is_survived(payloads: list[Any]) -> None:
    check(told(*[sent({"type": kind, "content": content}) for kind, content in payloads]))


@given(st.lists(st.binary(max_size=20), max_size=5), NAMES)
def test_any_bytes_as_data_are_survived(data: list[bytes], name: str) -> None:
    check(told(*[event(piece.decode("utf-8", "replace"), name) for piece in data]))


@pytest.mark.parametrize("data", ["[" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "9" * 5000])
def test_extreme_json_is_text(data: str) -> None:
    assert answer(event(data)) == data


@given(st.lists(st.text("ab \n{}[]\"'1<", max_size=4), max_size=8))
def test_no_token_of_bare_text_is_lost(tokens: list[str]) -> None:
    first = "x"  # bare, so that later quotes are text
    assert answer(event(first), *map(event, tokens)) == first + "".join(tokens)


def test_options_of_other_names_are_ignored() -> None:
    assert codec(colour="red").END_MARK == "[DONE]"
