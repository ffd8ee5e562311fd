"""Images, audio and sources in the transcript: one line each, a list at the end."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core.blob import BLOB_LIMIT, MOST
from ssechat.core.deltas import Citation, Delta, EndState, Media, MediaKind, Text, Verdict
from ssechat.core.reply import Reply, restore
from ssechat.tui.markdown.spans import line_cells, line_text
from ssechat.tui.transcript import Page, ReplyItem
from ssechat.tui.transcript.column import Column
from ssechat.tui.transcript.slices import Look
from support.media import png, sound
from support.pages import HOSTILE

KEY = "ctrl+x o"
URL = "https://images.example.org/a/very/long/path/to/a/picture.png"
DONE = Verdict(EndState.COMPLETE)


def fold(*deltas: Delta) -> Reply:
    reply = Reply()
    for at, delta in enumerate(deltas):
        reply.apply(delta, float(at))
    return reply


def image(data: bytes = b"", index: str = "i", *, url: str = "", whole: bool = True) -> Media:
    return Media(MediaKind.IMAGE, index, data, "image/png", url, whole)


def audio(data: bytes, mime: str = "audio/wav") -> Media:
    return Media(MediaKind.AUDIO, "a", data, mime)


def column_of(reply: Reply, width: int, *, live: bool = False) -> Column:
    column = Column(Page([ReplyItem("r", reply, "model", state="live" if live else "complete")]))
    column.arrange(Look(width, media_hint=KEY), 500)
    return column


def shown(reply: Reply, width: int = 60, *, live: bool = False) -> list[str]:
    """The rows below the header."""
    rows = [line_text(line).rstrip() for line in column_of(reply, width, live=live).rows()]
    return rows[1:-1]


def everything() -> Reply:
    return fold(
        Text("Here is the **picture**:"),
        image(png(1024, 768, 24_300)),
        Text("And this is how it sounds."),
        audio(sound(3.2)),
        image(url=URL, index="u"),
        image(bytes(BLOB_LIMIT + 1), index="large"),
        image(b"<svg onload=alert(1)>", index="svg"),
        Citation("Pictures, a history", "https://example.org/history"),
        Citation("Sounds"),
        DONE,
    )


def test_everything_in_its_line() -> None:
    assert shown(everything(), 60) == [
        "   Here is the picture:",
        "",
        "   ▣ image · PNG 1024×768 · 24 KB                  ctrl+x o",
        "",
        "   And this is how it sounds.",
        "",
        "   ♪ audio · WAV · 3.2 s · 154 KB                  ctrl+x o",
        "",
        "   ▣ image at",
        "   https://images.example.org/a/very/long/path/to/a/picture",
        "   .png (not fetched)",
        "",
        "   ▣ image · too large to be kept",
        "",
        "   ▣ image · unknown type · 21 B                   ctrl+x o",
        "",
        "   sources",
        "     [1] Pictures, a history — https://example.org/history",
        "     [2] Sounds",
    ]


def test_everything_where_there_is_little_room() -> None:
    assert shown(everything(), 30) == [
        "   Here is the picture:",
        "",
        "   ▣ image · PNG 1024×768 ·",
        "   24 KB",
        "",
        "   And this is how it sounds.",
        "",
        "   ♪ audio · WAV · 3.2 s ·",
        "   154 KB",
        "",
        "   ▣ image at",
        "   https://images.example.org",
        "   /a/very/long/path/to/a/pic",
        "   ture.png (not fetched)",
        "",
        "   ▣ image · too large to be",
        "   kept",
        "",
        "   ▣ image · unknown type ·",
        "   21 B",
        "",
        "   sources",
        "     [1] Pictures, a history",
        "     —",
        "     https://example.org/hist",
        "     ory",
        "     [2] Sounds",
    ]


@pytest.mark.parametrize("width", [30, 60])
def test_what_was_read_back_looks_the_same(width: int) -> None:
    reply = everything()
    assert shown(restore(reply.store()), width) == shown(reply, width)


def test_what_is_coming_says_how_much_has_come_until_it_is_there() -> None:
    reply = fold(image(png(64, 64, 12_000), whole=False))
    assert shown(reply, live=True)[0].startswith("   ▣ image · arriving … 12 KB")
    reply.apply(image(bytes(12_000), whole=False), 1.0)
    assert shown(reply, live=True)[0].startswith("   ▣ image · arriving … 24 KB")
    reply.apply(Text("done"), 2.0)
    assert shown(reply, live=True)[0].startswith("   ▣ image · PNG 64×64 · 24 KB")


def test_a_whole_image_is_there_at_once_and_a_better_one_replaces_it() -> None:
    reply = fold(image(png(64, 64)))
    assert "PNG 64×64" in shown(reply, live=True)[0]
    reply.apply(image(png(128, 128)), 1.0)
    assert "PNG 128×128" in shown(reply, live=True)[0]


def test_a_line_is_drawn_anew_when_more_has_come() -> None:
    reply = fold(Text("text"), audio(sound(1.0)))
    column = column_of(reply, 60, live=True)
    assert any("arriving … 48 KB" in line_text(line) for line in column.rows())
    reply.apply(audio(bytes(48_000)), 1.0)
    assert column.stale(Look(60, media_hint=KEY))
    column.arrange(Look(60, media_hint=KEY), 500)
    assert any("arriving … 96 KB" in line_text(line) for line in column.rows())


def test_the_text_goes_on_above_the_sound_that_speaks_it() -> None:
    reply = fold(Text("one "), audio(bytes(100)), Text("two"))
    assert shown(reply, live=True)[:3] == ["   one two", "", "   ♪ audio · arriving … 100 B"]


def test_the_sources_wait_for_the_end_of_the_answer() -> None:
    reply = fold(Text("one"), Citation("Source"), Text(" two"))
    assert shown(reply, live=True) == ["   one two▊"]
    assert shown(reply) == ["   one two", "", "   sources", "     [1] Source"]


def test_a_sound_that_was_said_to_be_an_image_is_a_sound() -> None:
    assert shown(fold(image(sound(1.0)), DONE))[0].startswith("   ♪ audio · WAV · 1.0 s")


def test_too_many_things_are_one_line() -> None:
    reply = fold(*(image(png(), str(number)) for number in range(MOST + 9)), DONE)
    said = [line for line in shown(reply) if "▣" in line]
    assert len(said) == MOST + 1
    assert said[-1] == "   ▣ more images or audio than can be kept"


def test_a_connection_lost_in_an_image_is_told_below_it() -> None:
    reply = fold(image(png(), whole=False))
    reply.lost(1.0, 1.0, "reset")
    reply.resumed(0.8, 0)
    assert "resumed after 0.8 s" in " ".join(shown(reply, live=True)[1:])


def test_an_answer_put_right_from_the_final_object_is_drawn_anew() -> None:
    reply = fold(Text("wrong"), image(png(8, 6)), Text("words"), DONE)
    column = column_of(reply, 60)
    reply.restate("right", 0.0, 9.0)
    column.arrange(Look(60, media_hint=KEY), 500)
    said = [line_text(line).rstrip() for line in column.rows()]
    assert "   right" in said
    assert not any("wrong" in line or "words" in line for line in said)
    assert sum("PNG 8×6" in line for line in said) == 1


PIECES = st.builds(
    Media,
    st.sampled_from(MediaKind),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([b"", png(), sound(0.1), b"<html>", b"\xff\xd8\xff"]),
    st.sampled_from(["audio/pcm", *HOSTILE]),
    st.sampled_from(["", "https://x.example/" + "y" * 500, *HOSTILE]),
    st.booleans(),
)
CITED = st.builds(Citation, st.sampled_from(HOSTILE), st.sampled_from(HOSTILE))


@settings(max_examples=60)
@given(
    st.lists(PIECES | CITED | st.builds(Text, st.sampled_from(HOSTILE)), max_size=6),
    st.sampled_from((20, 38, 80)),
    st.booleans(),
)
def test_nothing_hostile_reaches_the_screen(deltas: list[Delta], width: int, live: bool) -> None:
    for line in column_of(fold(*deltas), width, live=live).rows():
        assert line_cells(line) <= width
        for character in line_text(line):
            assert unicodedata.category(character) not in ("Cc", "Cs"), repr(character)
            assert character not in "\u202e\u2066\u2028"
