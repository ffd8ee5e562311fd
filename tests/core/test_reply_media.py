"""Images, audio and sources among the parts of a reply."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core import blob
from ssechat.core.deltas import (
    Citation,
    Delta,
    EndState,
    Media,
    MediaKind,
    Seal,
    Text,
    Thinking,
    Tool,
    Verdict,
)
from ssechat.core.reply import PartKind, Reply, restore
from support.media import png, sound

IMAGE, AUDIO = MediaKind.IMAGE, MediaKind.AUDIO
DONE = Verdict(EndState.COMPLETE)


def fold(*deltas: Delta) -> Reply:
    reply = Reply()
    for at, delta in enumerate(deltas):
        reply.apply(delta, float(at))
    return reply


def image(index: str = "i", data: bytes = png(), *, whole: bool = True) -> Media:
    return Media(IMAGE, index, data, "image/png", whole=whole)


def audio(data: bytes = b"\0\0", index: str = "a") -> Media:
    return Media(AUDIO, index, data, "audio/pcm")


def shape(reply: Reply) -> list[tuple[str, object]]:
    return [(p.kind.value, p.media.size if p.media else p.text) for p in reply.parts]


# Order


def test_an_image_stands_where_it_came() -> None:
    reply = fold(Text("a"), image(), Text("b"), image("j"), Text("c"))
    assert [kind for kind, _ in shape(reply)] == ["text", "image", "text", "image", "text"]
    assert [part.ended for part in reply.parts] == [1.0, 2.0, 3.0, 4.0, None]
    assert reply.answer == "abc"


def test_a_sound_does_not_interrupt_the_text_that_it_speaks() -> None:
    reply = fold(Text("a"), audio(), Text("b"), audio(), Text("c"))
    assert shape(reply) == [("text", "abc"), ("audio", 4)]
    assert [part.ended for part in reply.parts] == [None, None]
    reply.apply(DONE, 9.0)
    assert [part.ended for part in reply.parts] == [9.0, 9.0]


def test_a_sound_that_comes_first_stays_first() -> None:
    assert shape(fold(audio(), Text("a"), audio())) == [("audio", 4), ("text", "a")]


def test_a_sound_does_not_open_sealed_thinking_again() -> None:
    reply = fold(Thinking("a"), Seal("s"), audio(), Thinking("b"))
    assert [text for _, text in shape(reply)] == ["a", 2, "b"]


def test_things_of_one_index_are_one_and_of_another_kind_another() -> None:
    reply = fold(image("1"), image("2"), audio(index="1"), image("1"))
    assert [kind for kind, _ in shape(reply)] == ["image", "image", "audio"]
    assert [part.index for part in reply.parts] == [1, 2, 3]


def test_a_better_image_takes_the_place_of_one_whose_turn_is_over() -> None:
    reply = fold(image(), Text("a"), image(data=png(size=99)), Text("b"))
    assert shape(reply) == [("image", 99), ("text", "ab")]


def test_pieces_of_an_image_are_appended() -> None:
    reply = fold(image(data=b"ab", whole=False), image(data=b"cd", whole=False))
    assert [file.data for file in reply.media()] == [b"abcd"]
    assert reply.parts[0].ended is None


def test_an_empty_piece_begins_no_part() -> None:
    assert fold(Media(IMAGE, "i"), Citation()).parts == []


def test_an_image_that_lies_elsewhere_is_its_address_and_nothing_is_kept() -> None:
    reply = fold(Media(IMAGE, "i", url="https://example.org/a.png", whole=True))
    assert shape(reply) == [("image", 0)]
    assert reply.parts[0].text == "https://example.org/a.png"
    assert reply.media() == []
    assert reply.answer == ""


def test_an_address_takes_nothing_away_from_what_came() -> None:
    reply = fold(image(), Media(IMAGE, "i", url="https://example.org/a.png", whole=True))
    assert [file.data for file in reply.media()] == [png()]


def test_a_lost_connection_is_marked_in_the_text_not_in_the_sound_beside_it() -> None:
    reply = fold(Text("ab"), audio(), Citation("t"))
    reply.lost(1.0, 2.0, "reset")
    reply.gap(1.0, "1 … 2")
    assert [len(part.seams) for part in reply.parts] == [2, 0, 0]
    assert reply.parts[0].seams[0].offset == 2


def test_a_lost_connection_is_marked_in_the_sound_if_there_is_nothing_else() -> None:
    reply = fold(audio())
    reply.lost(1.0, 2.0, "reset")
    assert len(reply.parts[0].seams) == 1


# Bounds


def test_beyond_so_many_things_the_rest_is_one_part_that_says_so() -> None:
    reply = fold(*(image(str(number)) for number in range(blob.MOST + 50)), Text("a"))
    assert len(reply.parts) == blob.MOST + 2
    assert len(reply.media()) == blob.MOST
    rest = reply.parts[blob.MOST].media
    assert rest is not None
    assert (rest.refused, rest.size) == (blob.TOO_MANY, 0)


def test_an_answers_images_together_have_a_limit_too() -> None:
    large = bytes(blob.BLOB_LIMIT)
    reply = fold(*(image(str(number), large) for number in range(5)))
    refused = [part.media.refused for part in reply.parts if part.media]
    assert refused == ["", "", "", "", blob.TOO_LARGE]
    reply.apply(image("0", b"smaller"), 9.0)
    reply.apply(image("4", b"now there is room"), 9.0)
    assert [part.media.refused for part in reply.parts if part.media] == [""] * 5


PIECES = [b"", b"x", png(), bytes(2**20), bytes(blob.BLOB_LIMIT), bytes(blob.BLOB_LIMIT + 1)]
HOSTILE = ["", "../../etc/passwd", "\x1b]0;x\x07\n", "\ud800", "a" * 10_000, "javascript:x"]
MEDIA = st.builds(
    Media,
    st.sampled_from(MediaKind),
    st.sampled_from(["a", "b", *HOSTILE]),
    st.sampled_from(PIECES),
    st.sampled_from(["audio/pcm", "image/png", *HOSTILE]),
    st.sampled_from(["", "https://example.org/x", *HOSTILE]),
    st.booleans(),
)
CITED = st.builds(
    Citation,
    st.sampled_from(["title", *HOSTILE]),
    st.sampled_from(["https://example.org/x", "http://[", *HOSTILE]),
    st.sampled_from(HOSTILE),
)
OTHERS = [Text("a"), Thinking("t"), Tool(0, name="f"), Seal("s"), DONE]


@settings(max_examples=60)
@given(st.lists(MEDIA | CITED | st.sampled_from(OTHERS), max_size=12))
def test_whatever_comes_nothing_raises_and_the_bounds_hold(deltas: list[Delta]) -> None:
    reply = Reply()
    count = 0
    for at, delta in enumerate(deltas):
        rev = reply.rev
        reply.apply(delta, float(at))
        assert reply.rev > rev
        assert len(reply.parts) >= count
        count = len(reply.parts)
        held = [part.media.held for part in reply.parts if part.media]
        assert all(size <= blob.BLOB_LIMIT for size in held)
        assert sum(held) <= blob.REPLY_LIMIT
    assert reply.answer == "a" * deltas.count(Text("a"))
    kept = {file.number for file in reply.media()}
    numbered = [part.index for part in reply.parts if part.media and part.media.held]
    assert sorted(kept) == sorted(numbered)
    again = restore(reply.store())
    assert again.store() == reply.store()
    reply.end(99.0)
    assert all(part.ended is not None for part in reply.parts)


# Sources


def sources(*cited: Citation) -> list[str]:
    parts = [part for part in fold(*cited).parts if part.kind is PartKind.SOURCES]
    return parts[0].text.split("\n") if parts else []


def test_sources_are_one_numbered_list_beside_the_text() -> None:
    reply = fold(
        Text("a"),
        Citation("One", "https://one.example"),
        Text("b"),
        Citation("Two", "http://two.example/x"),
    )
    listed = "[1] One — https://one.example\n[2] Two — http://two.example/x"
    assert shape(reply) == [("text", "ab"), ("sources", listed)]
    assert reply.answer == "ab"


def test_a_source_is_listed_once_whatever_is_quoted_of_it() -> None:
    url = "https://one.example"
    assert sources(Citation("One", url, "a"), Citation("Two", url, "b"), Citation("One", url)) == [
        "[1] One — https://one.example"
    ]


def test_a_source_may_be_a_title_an_address_or_a_quotation_alone() -> None:
    assert sources(Citation("One"), Citation(url="https://x.example"), Citation(quote="said")) == [
        "[1] One",
        "[2] https://x.example",
        "[3] “said”",
    ]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "data:,x", "//x.y"])
def test_only_addresses_of_the_web_are_listed(url: str) -> None:
    assert sources(Citation("One", url), Citation(url=url)) == ["[1] One"]


def test_a_title_stays_in_its_line() -> None:
    assert sources(Citation("a\n[9] b\x1b[2J", "https://x.example")) == [
        "[1] a [9] b␛[2J — https://x.example"
    ]


def test_so_many_sources_are_enough() -> None:
    assert len(sources(*(Citation(str(number)) for number in range(1000)))) == 100


# The projection


def test_what_is_stored_says_all_but_the_bytes() -> None:
    reply = fold(
        Text("a"),
        image(data=png(8, 6)),
        audio(bytes(48_000)),
        image("u", b"?"),
        Citation("T"),
        DONE,
    )
    stored = msgspec.json.decode(msgspec.json.encode(reply.store()))
    again = restore(stored)
    assert [(p.kind, p.text, p.index) for p in again.parts] == [
        (p.kind, p.text, p.index) for p in reply.parts
    ]
    seen = [
        (p.media.type.name, p.media.detail, p.media.size, p.media.held)
        for p in again.parts
        if p.media
    ]
    assert seen == [
        ("PNG", "8×6", 33, 0),
        ("WAV", "1.0 s", 48_000, 0),
        ("unknown type", "", 1, 0),
    ]
    assert again.media() == []
    assert [file.number for file in reply.media()] == [1, 2, 3]
    assert reply.media()[1].data == sound(1.0)


def test_a_type_that_is_not_known_any_more_is_unknown() -> None:
    stored = {"kind": "image", "text": "", "index": 1, "media": {"mime": "image/x-new", "size": 5}}
    (part,) = restore([stored]).parts
    assert part.media is not None
    assert part.media.type.suffix == "bin"


def test_once_forgotten_only_what_was_known_of_it_is_left() -> None:
    reply = fold(image(), audio(), DONE)
    before = reply.store()
    reply.forget_media()
    assert reply.media() == []
    assert reply.store() == before
