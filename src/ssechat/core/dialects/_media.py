"""Images and audio inside JSON: base64, and URLs that hold it."""

from __future__ import annotations

import binascii

from ssechat.core.deltas import Media, MediaKind
from ssechat.core.dialects._sources import web_address
from ssechat.core.dialects._text import brief

MAX_ENCODED = 16 * 2**20
"""The longest base64 that is decoded, in characters: as long as an event may be."""

MAX_MIME = 100
_MAX_HEAD = 500
_ALPHABET = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"


def decoded(text: str) -> bytes | None:
    """The bytes that `text` spells in base64, of either alphabet, padded or not.

    None if it is something else or longer than `MAX_ENCODED`.
    """
    if len(text) > MAX_ENCODED:
        return None
    try:
        digits = text.encode("ascii").translate(_ALPHABET, _SPACE).rstrip(b"=")
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4), strict_mode=True)
    except ValueError:
        return None


def encoded(
    kind: MediaKind, index: str, text: str, mime: str = "", *, whole: bool = True
) -> list[Media]:
    """The thing that `text` spells in base64; none if it spells nothing."""
    data = decoded(text)
    return [Media(kind, index, data, brief(mime, MAX_MIME), whole=whole)] if data else []


def located(kind: MediaKind, index: str, url: str) -> list[Media]:
    """The thing at `url`: in it, if it is a `data:` URL, else where it lies; none if neither."""
    if url[:5].lower() != "data:":
        address = web_address(url)
        return [Media(kind, index, url=address, whole=True)] if address else []
    head, _, text = url.partition(",")
    mime, *options = head[5 : 5 + _MAX_HEAD].lower().split(";")
    return encoded(kind, index, text, mime) if "base64" in options else []
