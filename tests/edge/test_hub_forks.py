"""Another answer than the one that is held: the next attempt gets it whole."""

from __future__ import annotations

from pathlib import Path

from support.fault_server import FaultServer, Request, Wire
from support.hubs import HERE, ask, ended, finish, opened, profile, say, stored, until


async def test_another_way_to_go_on_from_an_answer_begins_with_that_answer_too(
    tmp_path: Path,
) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        posts = [one for one in server.requests if one.method == "POST"]
        if request.target.endswith("/models"):
            await wire.reply(404)
        elif request.method == "GET":
            await wire.open_stream()
            await say(wire, "another end", ids="")
            await finish(wire)
        else:
            await wire.open_stream(HERE if len(posts) > 1 else {})
            await say(wire, "Once upon a time" if len(posts) == 1 else " there was", ids="")
            wire.cut()

    async with FaultServer(handler) as server:
        asked = profile(server.base_url)
        async with opened(tmp_path, asked) as hub:
            first = await ended(await ask(hub, asked))
            second = await ended(await hub.resume(first.stream_id, by_request=True))
            await until(second, lambda _: hub.lives)
            third = await ended(hub.lives[0])
            assert (await stored(hub, second)).text == "Once upon a time there was"
            row = await stored(hub, third)
            assert (row.state, row.text) == ("complete", "Once upon a timeanother end")
            assert row.parts[0]["seams"][0]["how"] == "continued"
