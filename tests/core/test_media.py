"""What images and audio are, by their content alone, and how they are gathered within bounds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssechat.core.blob import BLOB_LIMIT, TOO_LARGE, Blob, media_file, wav
from ssechat.core.deltas import Media, MediaKind
from ssechat.core.media import TYPES, UNKNOWN, WAV, detail_of, kind_of, size_text
from support.media import gif, iso, jpeg, png, sound, webp

MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(100)
LOSSY = b"\x30\0\0\x9d\x01\x2a" + struct.pack("<HH", 0x4000 | 640, 480)
LOSSLESS = b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")
EXTENDED = bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")

KNOWN = [
    (png(640, 480), "PNG", "640×480"),
    (jpeg(640, 480), "JPEG", "640×480"),
    (gif(640, 480), "GIF", "640×480"),
    (webp(b"VP8 ", LOSSY), "WebP", "640×480"),
    (webp(b"VP8L", LOSSLESS), "WebP", "640×480"),
    (webp(b"VP8X", EXTENDED), "WebP", "640×480"),
    (iso(b"avif", b"mif1", b"miaf"), "AVIF", ""),
    (iso(b"mif1", b"avif"), "AVIF", ""),
    (iso(b"heic", b"mif1"), "HEIC", ""),
    (iso(b"M4A ", b"isom"), "M4A", ""),
    (iso(b"isom", b"mp42"), "M4A", ""),
    (sound(3.2), "WAV", "3.2 s"),
    (MP3_FRAME, "MP3", ""),
    (b"ID3\x04\0\0\0\0\0\0", "MP3", ""),
    (b"\xff\xf1\x50\x80\0\0", "AAC", ""),
    (b"OggS\0\x02" + bytes(20), "Ogg", ""),
    (b"fLaC\0\0\0\x22", "FLAC", ""),
]

STRANGE = {
    "nothing": b"",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "xml": b'<?xml version="1.0"?><svg/>',
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "pdf": b"%PDF-1.7",
    "script": b"#!/bin/sh\nrm -rf ~\n",
    "desktop file": b"[Desktop Entry]\nExec=sh\n",
    "program": b"\x7fELF\x02\x01\x01",
    "utf-16": b"\xff\xfe<\0h\0t\0m\0l\0",
    "avi": b"RIFF\0\0\0\0AVI LIST",
    "film": iso(b"qt  "),
    "half a png": b"\x89PNG\r\n",
    "ones": b"\xff" * 64,
}


@pytest.mark.parametrize(("data", "name", "detail"), KNOWN)
def test_the_content_tells_the_type_and_what_is_cheap_to_know(
    data: bytes, name: str, detail: str
) -> None:
    for form in (data, bytearray(data)):
        type_ = kind_of(form)
        assert type_ is not None
        assert (type_.name, detail_of(form, type_)) == (name, detail)
        assert TYPES[type_.mime] is type_


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_image_or_audio_of_a_known_type_is_unknown(name: str) -> None:
    assert kind_of(STRANGE[name]) is None
    assert media_file(1, STRANGE[name]).type is UNKNOWN
    assert UNKNOWN.kind is None
    assert UNKNOWN.suffix == "bin"


@pytest.mark.parametrize(("data", "name", "detail"), KNOWN)
def test_a_beginning_that_is_cut_tells_less_but_nothing_wrong(
    data: bytes, name: str, detail: str
) -> None:
    for end in range(min(len(data), 120)):
        type_ = kind_of(data[:end]) or UNKNOWN
        assert type_.name in (name, UNKNOWN.name)
        assert type_ is WAV or detail_of(data[:end], type_) in (detail, "")


@given(st.sampled_from([data[:16] for data, *_ in KNOWN] + [b""]), st.binary(max_size=200))
def test_no_bytes_raise(beginning: bytes, rest: bytes) -> None:
    data = beginning + rest
    detail_of(data, kind_of(data) or UNKNOWN)


def test_a_wav_that_was_streamed_lasts_as_long_as_what_came_of_it() -> None:
    streamed = sound(2.0).replace(struct.pack("<4sI", b"data", 96_000), b"data\xff\xff\xff\xff")
    assert detail_of(streamed, WAV) == "2.0 s"


def test_a_wav_without_a_rate_has_no_duration() -> None:
    assert detail_of(wav(bytes(100), 0), WAV) == ""


def test_a_jpeg_of_nothing_but_metadata_is_given_up() -> None:
    data = b"\xff\xd8" + b"\xff\xe1\0\x02" * 200_000
    assert detail_of(data, kind_of(data) or UNKNOWN) == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (24_400, "24 KB"),
        (999_499, "999 KB"),
        (999_500, "1.0 MB"),
        (16_777_216, "16.8 MB"),
    ],
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert size_text(size) == text


# Blobs


def gathered(*pieces: Media, room: int = BLOB_LIMIT) -> Blob:
    blob = Blob()
    for piece in pieces:
        blob.add(piece, room)
    return blob


def sent(data: bytes, *, mime: str = "", whole: bool = False) -> Media:
    return Media(MediaKind.AUDIO, "a", data, mime, whole=whole)


def test_pieces_are_appended_and_a_whole_takes_their_place() -> None:
    blob = gathered(sent(b"ab"), sent(b"cd"), sent(b"e"))
    assert blob.file(3) == media_file(3, b"abcde")
    assert not blob.whole
    blob.add(sent(b"better", whole=True), BLOB_LIMIT)
    assert blob.file(3) == media_file(3, b"better")
    assert (blob.whole, blob.size) == (True, 6)


def test_the_declared_type_is_not_believed() -> None:
    blob = gathered(sent(STRANGE["svg"], mime="image/png"))
    assert blob.type is UNKNOWN
    file = gathered(sent(png(), mime="text/html\r\nX: y")).file(1)
    assert file is not None
    assert file.type.mime == "image/png"


@pytest.mark.parametrize(
    ("mime", "rate"),
    [
        ("audio/pcm", 24_000),
        ("pcm16", 24_000),
        ("audio/L16;codec=pcm;rate=16000", 16_000),
        ("audio/pcm; rate=999999999", 24_000),
        ("audio/pcm;rate=0", 24_000),
        ("audio/pcm;rate=-1", 24_000),
    ],
)
def test_raw_samples_become_a_wav(mime: str, rate: int) -> None:
    blob = gathered(sent(bytes(24_000), mime=mime), sent(bytes(24_000)))
    seconds = f"{24_000 / rate:.1f} s"
    assert (blob.type, blob.detail) == (WAV, seconds)
    file = blob.file(1)
    assert file is not None
    assert (file.type, detail_of(file.data, WAV)) == (WAV, seconds)
    assert file.data.endswith(bytes(48_000))
    assert len(file.data) == 48_044


def test_what_says_it_is_raw_samples_but_is_something_else_stays_what_it_is() -> None:
    file = gathered(sent(sound(1.0), mime="audio/pcm")).file(1)
    assert file == media_file(1, sound(1.0))


def test_of_what_is_too_large_nothing_is_kept() -> None:
    blob = gathered(sent(bytes(100)), sent(b"x"), sent(b"y"), room=100)
    assert (blob.refused, blob.held, blob.size, blob.file(1)) == (TOO_LARGE, 0, 0, None)


def test_a_smaller_whole_is_kept_after_all() -> None:
    blob = gathered(sent(bytes(101)), sent(png(), whole=True), room=100)
    assert (blob.refused, blob.type.name) == ("", "PNG")


def test_what_was_forgotten_still_says_what_it_was() -> None:
    blob = gathered(sent(png(8, 6), whole=True))
    blob.forget()
    assert (blob.type.name, blob.detail, blob.size, blob.held) == ("PNG", "8×6", 33, 0)
    assert blob.file(1) is None


CHUNKS = [bytes(size) for size in (1, 1000, BLOB_LIMIT - 1000, BLOB_LIMIT, BLOB_LIMIT + 1)]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(CHUNKS), st.booleans()), max_size=5))
def test_a_blob_never_holds_more_than_it_may(pieces: list[tuple[bytes, bool]]) -> None:
    blob = Blob()
    for data, whole in pieces:
        blob.add(sent(data, whole=whole), BLOB_LIMIT)
        assert blob.held <= BLOB_LIMIT
        assert blob.size == blob.held
        assert bool(blob.refused) is (blob.held == 0)
