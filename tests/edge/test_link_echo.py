"""A server that sends our own key back: it goes nowhere."""

from __future__ import annotations

import pytest

from ssechat.core.conversation import Call
from ssechat.link import Target, fetch
from support.fault_server import FaultServer, Request, Wire
from support.link import SECRET, answer, failure, opened, replies

AUTHS = [{"Authorization": f"Bearer {SECRET}"}, {"x-api-key": SECRET}]


@pytest.mark.parametrize("auth", AUTHS, ids=["bearer", "bare"])
@pytest.mark.parametrize("status", [200, 401])
async def test_an_error_that_quotes_the_key_is_shown_without_it(clients, status, auth):
    body = f'{{"error": {{"message": "no such key: {SECRET}"}}}}'
    handler = replies(status, body, reason=f"not {SECRET}", content_type="application/json")
    async with FaultServer(handler) as server:
        problem = await failure(clients, Target(server.base_url, secret_headers=auth))
    assert SECRET not in str(problem)
    assert "***" in str(problem)


async def test_events_that_quote_the_key_come_without_it(clients):
    async def quotes(_: Request, wire: Wire) -> None:
        await wire.open_stream()
        await wire.event(f"data {SECRET}", event=f"e-{SECRET}", id=f"i-{SECRET}")
        await wire.event("clean", id="2")
        await wire.end()

    async with FaultServer(quotes) as server:
        target = Target(server.base_url, secret_headers=AUTHS[0])
        async with opened(clients, target) as connection:
            frames = [frame async for batch in connection.frames() for frame in batch]
    assert [(frame.data, frame.event, frame.id) for frame in frames] == [
        ("data ***", "e-***", "i-***"),
        ("clean", "message", "2"),
    ]


async def test_a_place_or_name_that_holds_the_key_is_not_kept(clients):
    async def quotes(_: Request, wire: Wire) -> None:
        headers = {"Location": f"/streams/{SECRET}", "Ssechat-Stream-Id": f"st_{SECRET}"}
        await wire.open_stream(headers)
        await wire.end()

    async with FaultServer(quotes) as server:
        target = Target(server.base_url, secret_headers=AUTHS[1])
        async with opened(clients, target) as connection:
            assert (connection.location, connection.remote_id) == ("", "")


async def test_a_short_answer_is_read_without_it(clients):
    async with FaultServer(replies(200, f"[{SECRET}]")) as server:
        target = Target(server.base_url, secret_headers=AUTHS[0])
        assert (await fetch(clients, target, Call("GET", "models", {})))[:2] == (200, b"[***]")


KEY = "sk-a/b&c-1234567890"
WHOLLY = "".join(f"\\u{ord(char):04X}" for char in KEY)


@pytest.mark.parametrize(
    "spelled",
    [
        KEY,
        KEY.replace("/", "\\/"),
        KEY.replace("&", "\\u0026"),
        "".join(f"\\u{ord(c):04X}" for c in KEY),
    ],
    ids=["plain", "slash", "ampersand", "all"],
)
def test_a_key_is_hidden_however_json_spells_it(spelled: str) -> None:
    redact = Target("http://host", secret_headers={"Authorization": f"Bearer {KEY}"}).redactor
    assert redact(f'{{"said": "{spelled}!"}}') == '{"said": "***!"}'


def test_a_key_among_the_profiles_headers_is_hidden_and_other_headers_are_not() -> None:
    redact = Target("http://host", headers={"X-Api-Key": KEY, "X-Team": "blue-whale"}).redactor
    assert redact(f"{KEY} of blue-whale") == "*** of blue-whale"


@pytest.mark.parametrize("where", ["status line", "reason", "location"])
async def test_a_key_in_the_head_of_an_answer_is_not_told_of(clients, where: str) -> None:
    long = "x" * 50 + SECRET + "x" * 50

    async def handler(request: Request, wire: Wire) -> None:
        if where == "status line":
            await wire.send(f"{SECRET} is no HTTP\r\n\r\n")
        elif where == "reason":
            await wire.reply(400, reason=long)
        else:
            await wire.reply(302, headers={"Location": f"/{'y' * 280}{SECRET}{'y' * 80}"})

    problem = await answer(clients, handler)
    assert SECRET[:5] not in str(problem)
