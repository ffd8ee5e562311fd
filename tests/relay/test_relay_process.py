"""The relay as a process: killed, drained, on a Unix socket, with TLS; its tokens and its log."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import stat
from pathlib import Path

import httpx
import pytest

from support.fault_server import FaultServer, Request, Wire, certificate
from support.hubs import DONE, FINISH, finish, say, words
from support.relay_process import relay_process
from support.relays import ASKED, CHAT, Body, data_of, numbers, stream_of


async def plain(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "a", "b", ids="")
    await finish(wire)


async def unending(request: Request, wire: Wire) -> None:
    await wire.open_stream()
    await say(wire, "a", "b", ids="")
    await wire.hang()


async def until_draining(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while (await client.get("/readyz")).status_code != 503:  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.01)


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_killed_in_mid_stream_it_goes_on_where_the_upstream_can(tmp_path: Path) -> None:
    async def kept(request: Request, wire: Wire) -> None:
        await wire.open_stream({"Location": "/streams/1"})
        if request.method == "POST":
            await say(wire, "a", "b")
            await wire.hang()
        else:
            assert request.headers["last-event-id"] == "e2"
            await say(wire, "c", first=3)
            await finish(wire, 4)

    async with FaultServer(kept) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            async with relay.client() as client:
                async with client.stream("POST", CHAT, json=ASKED) as response:
                    stream = stream_of(response)
                    await Body(response).until(2)
                    relay.kill()
                relay.restart()
            async with relay.client() as client:
                rest = await client.get(
                    f"/v1/streams/{stream}/events", headers={"Last-Event-ID": f"{stream}.1-2"}
                )
                assert numbers(rest.text) == [3, 4, 5]
                assert data_of(rest.text) == [words("c"), FINISH, DONE]
        assert [request.method for request in server.requests] == ["POST", "GET"]


async def test_killed_in_mid_stream_it_ends_truthfully_where_the_upstream_cannot(
    tmp_path: Path,
) -> None:
    async with FaultServer(unending) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            async with relay.client() as client:
                async with client.stream("POST", CHAT, json=ASKED) as response:
                    stream = stream_of(response)
                    await Body(response).until(2)
                    relay.kill()
                relay.restart()
            async with relay.client() as client:
                whole = await client.get(f"/v1/streams/{stream}/events")
                assert numbers(whole.text) == [1, 2, 3]
                assert "upstream_interrupted" in data_of(whole.text)[-1]
                ahead = await client.get(f"/v1/streams/{stream}/events?after={stream}.1-9")
                assert (ahead.status_code, ahead.json()["reason"]) == (410, "ahead")
        assert len(server.requests) == 1


async def test_a_key_is_remembered_over_a_restart(tmp_path: Path) -> None:
    async with FaultServer(plain) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            key = {"Idempotency-Key": "k"}
            async with relay.client() as client:
                first = await client.post(CHAT, json=ASKED, headers=key)
            relay.kill()
            relay.restart()
            async with relay.client() as client:
                again = await client.post(CHAT, json=ASKED, headers=key)
            assert again.text == first.text
        assert len(server.requests) == 1


async def test_many_who_come_back_at_once_after_a_restart_all_get_their_rest(
    tmp_path: Path,
) -> None:
    async def long(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, *map(str, range(1200)), ids="")
        await finish(wire)

    async with FaultServer(long) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            async with relay.client() as client:
                path = (await client.post(CHAT, json=ASKED)).headers["location"]
            relay.kill()
            relay.restart()
            async with relay.client() as client:
                stream = path.split("/")[3]
                cursors = [1100, 0, 700, 1201] * 4
                answers = await asyncio.gather(
                    *(client.get(f"{path}?after={stream}.1-{n}" if n else path) for n in cursors)
                )
                for after, answer in zip(cursors, answers, strict=True):
                    assert answer.status_code == 200
                    assert numbers(answer.text) == list(range(after + 1, 1203))


async def test_sigterm_drains(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slow(request: Request, wire: Wire) -> None:
        await wire.open_stream()
        await say(wire, "a", ids="")
        await go_on.wait()
        await finish(wire)

    async with FaultServer(slow) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            async with relay.client() as client:
                assert (await client.get("/readyz")).status_code == 200
                async with client.stream("POST", CHAT, json=ASKED) as response:
                    body = Body(response)
                    await body.until(1)
                    relay.process.send_signal(signal.SIGTERM)
                    await until_draining(client)
                    refused = await client.post(CHAT, json=ASKED)
                    assert refused.status_code == 503
                    assert refused.headers["retry-after"]
                    go_on.set()
                    assert numbers(await body.whole()) == [1, 2, 3]
            assert await asyncio.to_thread(relay.process.wait, 10) == 0
        assert len(server.requests) == 1


async def test_a_reader_that_is_let_go_does_not_take_that_for_the_end(tmp_path: Path) -> None:
    async def kept(request: Request, wire: Wire) -> None:
        await wire.open_stream({"Location": "/streams/1"})
        await say(wire, "a", "b")
        await wire.hang()

    async with FaultServer(kept) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            async with (
                relay.client() as client,
                client.stream("POST", CHAT, json=ASKED) as response,
            ):
                body = Body(response)
                await body.until(2)
                relay.process.send_signal(signal.SIGTERM)
                with pytest.raises(httpx.RemoteProtocolError):
                    await body.whole()
            assert await asyncio.to_thread(relay.process.wait, 10) == 0


async def test_over_its_own_socket_it_needs_no_token(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    async with FaultServer(plain) as server:
        with relay_process(tmp_path, server.base_url, "--uds", str(path)) as relay:
            assert relay.token == ""
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            async with relay.client() as client:
                answer = await client.post(CHAT, json=ASKED)
                assert numbers(answer.text) == [1, 2, 3, 4]
            relay.kill()
            relay.restart()
            async with relay.client() as client:
                again = await client.get(f"/v1/streams/{stream_of(answer)}/events")
                assert again.text == answer.text
            twice = relay.run("--uds", str(path))
            assert twice.returncode != 0
            assert "another relay keeps its streams" in twice.stderr
            assert relay.end() == 0
        assert not path.exists()


async def test_tokens_are_made_listed_and_revoked_while_it_runs(tmp_path: Path) -> None:
    async with FaultServer(plain) as server:
        with relay_process(tmp_path, server.base_url) as relay:
            made = relay.run("token", "add", "ada")
            assert made.returncode == 0
            assert relay.run("token", "add", "ada").returncode != 0
            assert "ada" in relay.run("token", "list").stdout
            relay.token, first = made.stdout.strip(), relay.token
            async with relay.client() as client:
                assert (await client.get("/v1/streams")).status_code == 200
                assert relay.run("token", "revoke", "ada").returncode == 0
                assert (await client.get("/v1/streams")).status_code == 401
            assert relay.run("token", "revoke", "ada").returncode != 0
            for token in (first, made.stdout.strip()):
                assert token.encode() not in written(tmp_path) + relay.log.encode()


async def test_it_speaks_tls(tmp_path: Path) -> None:
    made = certificate(tmp_path)
    tls = f'tls = {{ cert = "{made.cert}", key = "{made.key}" }}'
    async with FaultServer(plain) as server:
        with relay_process(tmp_path, server.base_url, more=tls) as relay:
            assert relay.url.startswith("https://")
            headers = {"Authorization": f"Bearer {relay.token}"}
            trusted = ssl.create_default_context(cafile=str(made.cert))
            async with httpx.AsyncClient(verify=trusted, headers=headers) as client:
                answer = await client.post(f"{relay.url}{CHAT}", json=ASKED)
                assert numbers(answer.text) == [1, 2, 3, 4]


async def test_its_log_tells_what_happens_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UP_KEY", "sk-upstream-secret")
    async with FaultServer(plain) as server:
        keyed = 'api_key_env = "UP_KEY"'
        with relay_process(tmp_path, server.base_url, upstream=keyed) as relay:
            body = ASKED | {"messages": [{"role": "user", "content": "the prompt"}]}
            async with relay.client() as client:
                stream = stream_of(await client.post(CHAT, json=body))
                counted = await client.get("/metrics")
            assert relay.end() == 0
            lines = [json.loads(line) for line in relay.log.splitlines()]
            assert [(line["event"], line["stream"]) for line in lines] == [
                ("stream began", stream),
                ("stream ended", stream),
            ]
            assert (lines[0]["owner"], lines[1]["events"]) == ("default", 4)
            for secret in ("sk-upstream-secret", relay.token, "the prompt"):
                assert secret not in relay.log
        assert counted.headers["content-type"].startswith("text/plain; version=0.0.4")
        told = dict(
            line.rsplit(" ", 1) for line in counted.text.splitlines() if not line.startswith("#")
        )
        assert told["ssechat_relay_events_total"] == "4"
        assert told['ssechat_relay_streams_ended_total{upstream="up",state="complete"}'] == "1"
        assert told['ssechat_relay_upstream_first_event_seconds_count{upstream="up"}'] == "1"


def test_what_is_wrong_with_the_configuration_is_said(tmp_path: Path) -> None:
    with relay_process(tmp_path, "http://127.0.0.1:1", more='detach_ttl = "soon"') as relay:
        assert "relay.toml:2: detach_ttl: expected a duration" in relay.log
