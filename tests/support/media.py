"""Small files of many types, as far as their beginnings go."""

from __future__ import annotations

import struct

from ssechat.core.blob import wav


def png(width: int = 1024, height: int = 768, size: int = 0) -> bytes:
    """A PNG's header, filled up to `size` bytes."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return (head + b"\x08\x02\0\0\0" + bytes(4)).ljust(size, b"\0")


def jpeg(width: int, height: int) -> bytes:
    """With metadata and a thumbnail's frame header within it before its own frame header."""
    frame = struct.pack(">HHBHHB", 0xFFC2, 11, 8, height, width, 1) + b"\x01\x11\0"
    thumbnail = struct.pack(">HHBHHB", 0xFFC0, 11, 8, 9, 9, 1) + b"\x01\x11\0"
    exif = struct.pack(">HH", 0xFFE1, 2 + len(thumbnail)) + thumbnail
    return b"\xff\xd8" + exif + frame + b"\xff\xda"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(20) + b";"


def webp(chunk: bytes, payload: bytes) -> bytes:
    body = b"WEBP" + chunk + struct.pack("<I", len(payload)) + payload.ljust(10, b"\0")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def iso(*brands: bytes) -> bytes:
    major, *others = brands
    box = b"ftyp" + major + b"\0\0\0\0" + b"".join(others)
    return struct.pack(">I", 4 + len(box)) + box + b"\0\0\0\x08mdat"


def sound(seconds: float) -> bytes:
    """A silent WAV."""
    return wav(bytes(int(seconds * 48_000)), 24_000)
