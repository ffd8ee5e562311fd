"""Images and audio by their content: what a file is, what can be said of it without decoding it.

What a server declares decides nothing, with one exception: raw samples have no mark of their own.
SVG and HTML, which can run code, are no images here: like all that is unknown they can be saved,
never opened.
"""

from __future__ import annotations

from typing import NamedTuple

from ssechat.core.deltas import MediaKind

Data = bytes | bytearray


class Type(NamedTuple):
    """What a file is; `suffix` has no dot. `kind` is None for what we do not know."""

    name: str
    mime: str
    suffix: str
    kind: MediaKind | None


UNKNOWN = Type("unknown type", "application/octet-stream", "bin", None)

PNG = Type("PNG", "image/png", "png", MediaKind.IMAGE)
JPEG = Type("JPEG", "image/jpeg", "jpg", MediaKind.IMAGE)
GIF = Type("GIF", "image/gif", "gif", MediaKind.IMAGE)
WEBP = Type("WebP", "image/webp", "webp", MediaKind.IMAGE)
AVIF = Type("AVIF", "image/avif", "avif", MediaKind.IMAGE)
HEIC = Type("HEIC", "image/heic", "heic", MediaKind.IMAGE)
WAV = Type("WAV", "audio/wav", "wav", MediaKind.AUDIO)
MP3 = Type("MP3", "audio/mpeg", "mp3", MediaKind.AUDIO)
AAC = Type("AAC", "audio/aac", "aac", MediaKind.AUDIO)
OGG = Type("Ogg", "audio/ogg", "ogg", MediaKind.AUDIO)
FLAC = Type("FLAC", "audio/flac", "flac", MediaKind.AUDIO)
M4A = Type("M4A", "audio/mp4", "m4a", MediaKind.AUDIO)

TYPES = {
    type_.mime: type_
    for type_ in (PNG, JPEG, GIF, WEBP, AVIF, HEIC, WAV, MP3, AAC, OGG, FLAC, M4A, UNKNOWN)
}

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"ID3", MP3),
)
_RIFF = {b"WEBP": WEBP, b"WAVE": WAV}
_BRANDS = (
    ({b"avif", b"avis"}, AVIF),
    ({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}, HEIC),
    ({b"M4A ", b"M4B ", b"isom", b"iso2", b"iso5", b"iso6", b"mp41", b"mp42", b"dash"}, M4A),
)
"""Of ISO media files; the first set that names one of a file's brands says what it is."""

_LONGEST_FTYP = 128  # bytes
_LEAST = 30  # bytes of an image that hold its size, but for a JPEG
_MOST_SEGMENTS = 500  # of a JPEG or WAV that are passed over in search of the one we want


def kind_of(data: Data) -> Type | None:
    """What the content is, by how it begins; None if we do not know it."""
    for beginning, type_ in _BEGINNINGS:
        if data.startswith(beginning):
            return type_
    if data[:4] == b"RIFF":
        return _RIFF.get(bytes(data[8:12]))
    if data[4:8] == b"ftyp":
        return _iso(data)
    return _mpeg(data)


def _iso(data: Data) -> Type | None:
    """By its brands: the major one, then, after a version, those that it is compatible with."""
    end = min(_big(data[:4]), _LONGEST_FTYP)
    if len(data) < end:
        return None
    brands = {bytes(data[at : at + 4]) for at in (8, *range(16, end, 4))}
    return next((type_ for names, type_ in _BRANDS if names & brands), None)


def _mpeg(data: Data) -> Type | None:
    """By the header of a first frame: layer III, or ADTS."""
    if len(data) < 4 or data[0] != 0xFF:
        return None
    if data[1] & 0xE6 == 0xE2:  # sync, any version, layer III
        version, rate, bits = data[1] >> 3 & 3, data[2] >> 2 & 3, data[2] >> 4
        return MP3 if version != 1 and rate != 3 and bits not in (0, 15) else None
    if data[1] & 0xF6 == 0xF0:  # sync, layer 0
        return AAC if data[2] >> 2 & 15 < 13 else None
    return None


def detail_of(data: Data, type_: Type) -> str:
    """Like "1024×768" for an image, "3.2 s" for a WAV; "" if its beginning does not tell."""
    if type_ is WAV:
        seconds = _seconds(data)
        return f"{seconds:.1f} s" if seconds else ""
    pixels = _PIXELS.get(type_) if len(data) >= _LEAST else None
    width, height = pixels(data) if pixels else (0, 0)
    return f"{width}×{height}" if width and height else ""


def size_text(size: int) -> str:
    """Like "512 B", "24 KB" or "1.5 MB"."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.0f} KB" if size < 999_500 else f"{size / 1e6:.1f} MB"


def _big(data: Data) -> int:
    return int.from_bytes(data, "big")


def _little(data: Data) -> int:
    return int.from_bytes(data, "little")


def _png(data: Data) -> tuple[int, int]:
    return _big(data[16:20]), _big(data[20:24])


def _gif(data: Data) -> tuple[int, int]:
    return _little(data[6:8]), _little(data[8:10])


def _webp(data: Data) -> tuple[int, int]:
    """By its first chunk: with extensions, lossless or lossy (RFC 9649)."""
    match bytes(data[12:16]):
        case b"VP8X":
            return _little(data[24:27]) + 1, _little(data[27:30]) + 1
        case b"VP8L":
            bits = _little(data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
    return 0, 0


def _jpeg(data: Data) -> tuple[int, int]:
    """By its first frame header (SOF), behind whatever metadata there is."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff" or len(data) < at + 9:
            break
        marker = _big(data[at + 1 : at + 2])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 2 + _big(data[at + 2 : at + 4])
    return 0, 0


_PIXELS = {PNG: _png, GIF: _gif, WEBP: _webp, JPEG: _jpeg}


def _seconds(data: Data) -> float:
    """Of a WAV. One that was streamed declares more samples than it has."""
    at, rate = 12, 0
    for _ in range(_MOST_SEGMENTS):
        size = _little(data[at + 4 : at + 8])
        match bytes(data[at : at + 4]):
            case b"fmt ":
                rate = _little(data[at + 16 : at + 20])  # bytes a second
            case b"data":
                return min(size, len(data) - at - 8) / rate if rate else 0.0
        at += 8 + size + size % 2
    return 0.0
