from __future__ import annotations

import json

import pytest

from core.fixtures.chat import DONE, NAME, chunk, said, told
from core.fixtures.streams import body, cuts, deltas, event, frames
from ssechat.core.deltas import Citation, Delta, EndState, Media, MediaKind, Text, Verdict

PCM = "audio/pcm"
AUDIO, IMAGE = MediaKind.AUDIO, MediaKind.IMAGE
PNG = "data:image/png;base64,iVBORw0K"
STARTED = b"\x89PNG\r\n"


def read(chunks: list[bytes]) -> list[Delta]:
    return deltas(NAME, frames(chunks, "[DONE]"))


def pictures(*events: str) -> list[Delta]:
    """What chunks with one image each mean, given the URLs."""
    return told(*[chunk({"images": [{"image_url": {"url": url}}]}) for url in events])


@pytest.mark.parametrize("stream", ["openai_audio", "openrouter_image"])
def test_a_stream_means_the_same_wherever_its_bytes_are_cut(stream: str) -> None:
    whole = body(stream)
    expected = read([whole])
    for chunks in cuts(whole):
        assert read(chunks) == expected


def test_the_pieces_of_audio_share_its_id_and_its_transcript_is_the_answer() -> None:
    _, *spoken, _, last = read([body("openai_audio")])
    assert spoken == [
        Text("Hel"),
        Media(AUDIO, "audio_6", b"\x00\x01\x02", PCM),
        Text("lo"),
        Media(AUDIO, "audio_6", b"\x03", PCM),
    ]
    assert last == Verdict(EndState.COMPLETE)


def test_openrouters_image_and_citation() -> None:
    _, *told_here, _, last = read([body("openrouter_image")])
    assert told_here == [
        Text("Here: "),
        Citation("A cat", "https://cats.example/1", "It sits."),
        Media(IMAGE, "0", STARTED, "image/png", whole=True),
    ]
    assert last == Verdict(EndState.COMPLETE)


def test_audio_without_an_id_is_one_thing() -> None:
    pieces = told(chunk({"audio": {"data": "AA=="}}), chunk({"audio": {"data": "AQ=="}}))
    assert pieces == [Media(AUDIO, "audio", b"\x00", PCM), Media(AUDIO, "audio", b"\x01", PCM)]


def test_audio_in_a_whole_message_is_read() -> None:
    message = {"content": None, "audio": {"id": "a", "data": "AA==", "transcript": "Hi"}}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    assert told(event(json.dumps({"choices": [choice]})))[:2] == [
        Text("Hi"),
        Media(AUDIO, "a", b"\x00", PCM),
    ]


def test_every_image_is_another_one_whatever_index_it_says() -> None:
    first = {"type": "image_url", "image_url": {"url": PNG}, "index": 0}
    assert told(chunk({"images": [first]}), chunk({"images": [first, first]})) == [
        Media(IMAGE, name, STARTED, "image/png", whole=True) for name in "012"
    ]


def test_an_image_among_the_parts_of_the_content_is_read() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": PNG}]
    assert told(chunk({"content": parts})) == [
        Text("a"),
        Media(IMAGE, "0", STARTED, "image/png", whole=True),
    ]


def test_an_image_that_lies_elsewhere_is_named() -> None:
    address = "https://host/cat.png"
    assert pictures(address) == [Media(IMAGE, "0", url=address, whole=True)]


def test_an_image_that_cannot_be_read_is_left_out() -> None:
    assert pictures("data:image/png;base64,*", "javascript:x", PNG) == [
        Media(IMAGE, "0", STARTED, "image/png", whole=True)
    ]


def test_an_image_alone_is_an_answer() -> None:
    image = chunk({"images": [{"image_url": {"url": PNG}}]})
    assert told(image, DONE)[-1] == Verdict(EndState.COMPLETE, "no finish_reason")


def test_a_held_start_of_a_tag_comes_out_before_an_image() -> None:
    image = chunk({"images": [{"image_url": {"url": PNG}}]})
    assert told(said("<th"), image)[0] == Text("<th")
