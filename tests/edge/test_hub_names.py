"""The names of events: those by which a server is asked to go on count, and no others."""

from __future__ import annotations

import json
from pathlib import Path

from support.fault_server import FaultServer, Request, Wire
from support.hubs import RELAY, ask, ended, finish, opened, profile, stored, words


def response(number: int, kind: str, **more: object) -> str:
    return json.dumps({"type": f"response.{kind}", "sequence_number": number, **more})


def piece(number: int, text: str) -> str:
    return response(number, "output_text.delta", output_index=0, content_index=0, delta=text)


COMPLETED = response(2, "completed", response={"id": "resp_1", "status": "completed"})


async def test_behind_a_relay_its_ids_count_and_not_the_numbers_of_the_api(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(RELAY)
        if request.method == "POST":
            await wire.event(piece(0, "a "), id="st_a.1-1")
            wire.cut()
        else:
            await wire.event(piece(1, "b"), id="st_a.1-2")
            await wire.event(COMPLETED, id="st_a.1-3")
            await wire.end()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        asked = profile(server.base_url, "openai-responses", relay=True)
        live = await ended(await ask(hub, asked))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b", 1)
        second = server.requests[1]
        assert second.target == "/v1/streams/st_a/events"
        assert second.headers["last-event-id"] == "st_a.1-1"


async def test_where_bytes_are_counted_an_id_line_does_not_move_the_place(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream({"Server": "llama.cpp"})
        if request.method == "POST":
            await wire.event(words("a "), id="7")
            await wire.chunk("id: x\nretry: 0\n\n")
            wire.cut()
        else:
            await wire.event(words("b"))
            await finish(wire)

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url)))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b", 1)
        sent = len(f"id: 7\ndata: {words('a ')}\n\nid: x\nretry: 0\n\n")
        (resumed,) = [request for request in server.requests if request.method == "GET"]
        assert resumed.target.endswith(f"&from={sent}")


async def test_where_events_are_numbered_in_their_data_an_id_line_does_not_either(
    tmp_path: Path,
) -> None:
    kept = {"id": "resp_1", "status": "in_progress", "background": True, "store": True}

    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        if request.method == "POST":
            await wire.event(response(0, "created", response=kept))
            await wire.event(piece(1, "a "), id="x")
            await wire.chunk("id: y\nretry: 0\n\n")
            wire.cut()
        else:
            await wire.event(piece(2, "b"))
            await wire.event(response(3, "completed", response=kept | {"status": "completed"}))
            await wire.end()

    async with FaultServer(handler) as server, opened(tmp_path) as hub:
        live = await ended(await ask(hub, profile(server.base_url, "openai-responses")))
        row = await stored(hub, live)
        assert (row.state, row.text, row.resumes) == ("complete", "a b", 1)
        assert "starting_after=1&" in server.requests[1].target
