"""`ssechat ask` where the answer holds images and audio: from the wire to the journal."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from ssechat.core.reply import restore
from support.fault_server import FaultServer, Request, Wire
from support.hubs import opened
from support.media import png, sound
from support.programs import configure, run

PICTURE, SOUND = png(1024, 768, 24_300), sound(0.5)


def chunk(delta: dict[str, Any], **choice: object) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, **choice}]})


def image(url: str) -> str:
    return chunk({"images": [{"type": "image_url", "image_url": {"url": url}}]})


async def answers(request: Request, wire: Wire) -> None:
    """Text, an image in a URL, one elsewhere, more text and the sound of it in two pieces."""
    await wire.open_stream()
    await wire.event(chunk({"content": "Look: "}))
    await wire.event(image(f"data:text/html;base64,{b64encode(PICTURE).decode()}"))
    await wire.event(image("https://example.org/more.png"))
    for number, word in enumerate(("a ", "cat")):
        piece = SOUND[number * 10_000 :][: 10_000 if number == 0 else None]
        await wire.event(chunk({"content": word, "audio": {"data": b64encode(piece).decode()}}))
    await wire.event(chunk({}, finish_reason="stop"))
    await wire.event("[DONE]")
    await wire.end()


async def test_text_names_them_on_standard_error_and_the_journal_keeps_them(home: Path) -> None:
    async with FaultServer(answers) as server:
        configure(home, server.base_url)
        done = await run(home, "ask", "draw a cat")
    assert done.code == 0, done.err
    assert done.out == "Look: a cat\n"
    assert done.err.splitlines() == [
        "image-1.png: 24 KB, saved with the conversation",
        "audio-3.wav: 24 KB, saved with the conversation",
    ]
    async with opened(home / "data") as hub:
        (conversation,) = await hub.journal.conversations()
        answer = (await hub.journal.path(conversation.id))[-1]
        parts = [part for part in restore(answer.parts).parts if part.arrived]
        kept = [await hub.journal.media(answer.id, part.index) for part in parts]
    assert answer.text == "Look: a cat"
    assert kept == [PICTURE, SOUND]


async def test_json_has_their_bytes_with_the_type_of_the_content(home: Path) -> None:
    async with FaultServer(answers) as server:
        configure(home, server.base_url)
        done = await run(home, "ask", "--json", "draw a cat")
    lines = [json.loads(line) for line in done.out.splitlines()]
    found = [line for line in lines if line["type"] in ("image", "audio")]
    assert [b64decode(line.pop("content", "")) for line in found] == [PICTURE, b"", SOUND]
    assert found == [
        {"type": "image", "index": 1, "at": 6, "mime": "image/png", "bytes": 24_300},
        {"type": "image", "index": 2, "at": 6, "url": "https://example.org/more.png", "note": ""},
        {"type": "audio", "index": 3, "at": 11, "mime": "audio/wav", "bytes": len(SOUND)},
    ]
    assert lines[-1]["type"] == "end"
    assert done.err == ""
