"""What a request asks for is checked however it is spelled; what cannot be checked is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.conversation import Call
from ssechat.relay import endpoints
from ssechat.relay.asked import asked
from support.fault_server import FaultServer, Request, Wire
from support.relays import CHAT, Relaying, relaying

GEMINI = "/up/v1beta/models/m:generateContent"
RESPONSES = "/up/v1/responses"
INTERACTIONS = "/up/v1beta/interactions"


async def keeps(request: Request, wire: Wire) -> None:
    """An upstream that keeps what it answers as `kept`."""
    await wire.reply(200, '{"id": "kept"}', {"Content-Type": "application/json"})


async def status(relay: Relaying, path: str, body: str) -> int:
    headers = {"Content-Type": "application/json"}
    return (await relay.client.post(path, content=body.encode(), headers=headers)).status_code


ALLOWED = [
    (CHAT, '{"model": "m"}'),
    (CHAT, '{"model": "m", "models": ["m", "n"]}'),
    (CHAT, '{"model": "m", "models": null, "tools": [{"type": "function", "function": {}}]}'),
    (RESPONSES, '{"model": "m", "tools": [{"type": "image_generation", "model": "n"}]}'),
    (INTERACTIONS, '{"agent": "n"}'),
    (GEMINI, "{}"),
    (GEMINI, '{"model": "models/m"}'),
]
NOT_ALLOWED = [
    (CHAT, "{}"),
    (CHAT, '{"model": null}'),
    (CHAT, '{"model": "m", "model": "dear"}'),
    (CHAT, '{"model": "dear", "model": "m"}'),
    (CHAT, '{"model": "m", "Model": "dear"}'),
    (CHAT, '{"model": "m", "m\\u006fdel": "dear"}'),
    (CHAT, '{"model": "m", "MODEL\\u0000": "dear"}'),
    (CHAT, '{"model": "m", "models": ["m", "dear"]}'),
    (CHAT, '{"model": "m", "model\\u017f": ["dear"]}'),
    (CHAT, '{"model": "m", "models": "dear"}'),
    (CHAT, '{"model": "m", "models": [{"model": "m"}]}'),
    (CHAT, '{"model": "m", "route": "fallback"}'),
    (CHAT, '{"model": "m", "preset": "dear"}'),
    (CHAT, '{"model": "m", "fallbacks": ["dear"]}'),
    (CHAT, '{"Model": "m"}'),
    (CHAT, '{"tools": [{"model": "m"}]}'),
    (CHAT, '{"agent": "m"}'),
    (CHAT, '{"model": "\\ud800"}'),
    ("/up/v1/messages", '{"model": "m", "tools": [{"type": "advisor", "model": "dear"}]}'),
    ("/up/api/chat", '{"model": "m", "Model": "dear"}'),
    (INTERACTIONS, '{"model": "m", "agent": "dear"}'),
    (GEMINI, '{"model": "models/dear"}'),
    (GEMINI.replace("/m:", "/dear:"), '{"model": "m"}'),
]


async def test_no_spelling_asks_a_model_that_is_not_allowed(tmp_path: Path) -> None:
    allowed = {"models": ("m", "n")}
    async with (
        FaultServer(keeps) as server,
        relaying(tmp_path, server.base_url, upstream=allowed) as relay,
    ):
        for path, body in ALLOWED:
            assert (body, await status(relay, path, body)) == (body, 200)
        assert [request.body.decode() for request in server.requests] == [b for _, b in ALLOWED]
        for path, body in NOT_ALLOWED:
            assert (body, await status(relay, path, body)) == (body, 403)
        assert len(server.requests) == len(ALLOWED)


REFERRING = [
    (RESPONSES, '"previous_response_id": "kept"'),
    (RESPONSES, '"previousResponseId": "kept"'),
    (RESPONSES, '"conversation": "kept"'),
    (RESPONSES, '"conversation": {"id": "kept"}'),
    (RESPONSES, '"input": [{"type": "item_reference", "id": "kept"}]'),
    (RESPONSES, '"input": [{"role": "user", "content": "x"}, {"id": "kept"}]'),
    (RESPONSES, '"input": [{"type": null, "id": "kept", "role": "user"}]'),
    (INTERACTIONS, '"previous_interaction_id": "kept"'),
    (INTERACTIONS, '"previousInteractionId": "kept"'),
]
AMONG_OWN = [
    '"previous_response_id": "theirs", "previous_response_id": "kept"',
    '"previous_response_id": "kept", "previousResponseId": "theirs"',
    '"conversation": {"id": "theirs", "id": "kept"}',
    '"input": [{"type": "message", "type": "item_reference", "id": "theirs"}]',
    '"input": [{"id": "theirs"}], "input": []',
    '"conversation": "\\ud800"',
    '"conversation": {"id": ["kept"]}',
]


async def test_what_an_upstream_keeps_is_named_by_its_owner_alone(tmp_path: Path) -> None:
    async with FaultServer(keeps) as server, relaying(tmp_path, server.base_url) as relay:
        for path, more in REFERRING:
            body = f'{{"model": "m", {more}}}'
            assert (body, await status(relay, path, body)) == (body, 404)
        assert server.requests == []
        assert await status(relay, RESPONSES, '{"model": "m", "input": "x"}') == 200
        for path, more in REFERRING:
            body = f'{{"model": "m", {more}}}'
            assert (body, await status(relay, path, body)) == (body, 200)
        for more in AMONG_OWN:
            body = f'{{"model": "m", {more}}}'
            assert (body, await status(relay, RESPONSES, body)) == (body, 404)
        async with await relay.other_owner() as other:
            body = {"model": "m", "previousResponseId": "kept"}
            assert (await other.post(RESPONSES, json=body)).status_code == 404


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "x", "id": "msg_1", "type": "message"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"},
    ],
)
def test_items_that_stand_there_whole_are_nobodys(item: dict[str, Any]) -> None:
    found = asked(json.dumps({"input": [item]}).encode())
    assert found is not None
    assert found.objects == ()


@pytest.mark.parametrize("body", [b"[]", b"3", b"{", b"\xff", b'{"a": ' * 100_000, b"{}" * 2])
def test_what_is_no_object_asks_for_nothing(body: bytes) -> None:
    assert asked(body) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["input", "tools", "conversation", "type", "id", "model", "x"]),
                inner,
            )
        ),
    )
)
def test_no_value_breaks_it(value: Any) -> None:
    assert (asked(json.dumps(value).encode()) is None) is not isinstance(value, dict)


@pytest.mark.parametrize(
    "name", ["key", "Key", "api_key", "apiKey", "access_token", "x-goog-api-key", "$key", "$req"]
)
def test_credentials_in_a_query_go_no_further(name: str) -> None:
    call = endpoints.call("GET", "v1/models", f"{name}=mine&alt=sse&page_token=2", {}, b"")
    assert call == Call("GET", "v1/models?alt=sse&page_token=2", {}, b"")
