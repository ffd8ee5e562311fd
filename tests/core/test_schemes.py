"""Schemes: what is asked of a server that keeps a stream, to the letter."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.conversation import Call
from ssechat.core.dialects import DIALECTS, dialect
from ssechat.core.resume import Rung
from ssechat.core.schemes import (
    CONVERSATION_HEADER,
    NOTHING,
    SCHEMES,
    Handle,
    again,
    by_conversation,
    cancel_by_key,
    kept,
    located,
    rung,
)
from ssechat.journal.records import StreamRow

JSON = {"Content-Type": "application/json"}


def get(path: str) -> Call:
    return Call("GET", path, {})


def post(path: str, body: bytes = b"{}") -> Call:
    return Call("POST", path, JSON, body)


class Asked(NamedTuple):
    """What a scheme asks: from the start, after a cursor, for the final object, to stop."""

    start: Call | None = None
    after: Call | None = None
    poll: Call | None = None
    cancel: Call | None = None
    in_header: bool = False


def asked(handle: Handle, cursor: str = "7") -> Asked:
    scheme = SCHEMES[handle.scheme]
    return Asked(
        scheme.resume(handle, "") if scheme.resume else None,
        scheme.resume(handle, cursor) if scheme.resume else None,
        scheme.poll(handle) if scheme.poll else None,
        scheme.cancel(handle) if scheme.cancel else None,
        scheme.in_header,
    )


RESPONSE = "responses/resp_1?stream=true{}&include_obfuscation=false"
LITERALLY = {
    Handle("location", "/streams/1?of=me"): Asked(
        get("/streams/1?of=me"), get("/streams/1?of=me"), in_header=True
    ),
    Handle("relay", "/v1/streams/st_a/events?x=1", "st_a"): Asked(
        get("/v1/streams/st_a/events?x=1"),
        get("/v1/streams/st_a/events?x=1"),
        cancel=post("/v1/streams/st_a/cancel"),
        in_header=True,
    ),
    Handle("again", "tail?n=9"): Asked(get("tail?n=9"), get("tail?n=9"), in_header=True),
    Handle("again", ""): Asked(get(""), get(""), in_header=True),
    Handle("hoped", "chat"): Asked(get("chat"), get("chat"), in_header=True),
    Handle("responses", id="resp_1"): Asked(
        get(RESPONSE.format("")),
        get(RESPONSE.format("&starting_after=7")),
        get("responses/resp_1"),
        post("responses/resp_1/cancel"),
    ),
    Handle("responses-kept", id="resp_1"): Asked(poll=get("responses/resp_1")),
    Handle("interactions", id="v1_x"): Asked(
        get("interactions/v1_x?stream=true"),
        get("interactions/v1_x?stream=true&last_event_id=7"),
        get("interactions/v1_x"),
        post("interactions/v1_x/cancel"),
    ),
    Handle("llama", "v1/stream", "c1"): Asked(
        get("v1/stream?conv_id=c1&from=0"),
        get("v1/stream?conv_id=c1&from=7"),
        cancel=Call("DELETE", "v1/stream?conv_id=c1", {}),
    ),
}


@pytest.mark.parametrize("handle", LITERALLY, ids=lambda handle: f"{handle.scheme} {handle.path}")
def test_every_request_of_every_scheme_to_the_letter(handle: Handle) -> None:
    assert asked(handle) == LITERALLY[handle]


def test_no_scheme_is_left_out() -> None:
    assert {handle.scheme for handle in LITERALLY} == set(SCHEMES)


def test_our_relay_is_told_to_stop_by_key_before_it_has_named_the_answer() -> None:
    assert cancel_by_key('k"1') == post("/v1/streams/cancel", b'{"idempotency_key":"k\\"1"}')


# Nothing that a server says gets out of its place

ESCAPES = {
    "a/b": "a%2Fb",
    "../x": "..%2Fx",
    "a/../../b": "a%2F..%2F..%2Fb",
    "%2e%2e": "%252e%252e",
    "..%2f": "..%252f",
    "a?b=c": "a%3Fb%3Dc",
    "a&stream=false": "a%26stream%3Dfalse",
    "a#b": "a%23b",
    "a b+c": "a%20b%2Bc",
    "a;b\\c": "a%3Bb%5Cc",
    "//evil.example/x": "%2F%2Fevil.example%2Fx",
    "https://evil.example": "https%3A%2F%2Fevil.example",
    "@evil.example": "%40evil.example",
}
"""Ids that try to, and the one segment that they are made into."""


@pytest.mark.parametrize("said", ESCAPES)
def test_an_id_is_one_segment_of_a_path(said: str) -> None:
    for scheme, place in (("responses", "responses"), ("interactions", "interactions")):
        start, _, poll, cancel, _ = asked(kept(scheme, said, streams=True))
        assert poll == get(f"{place}/{ESCAPES[said]}")
        assert cancel == post(f"{place}/{ESCAPES[said]}/cancel")
        assert start is not None
        assert start.path.startswith(f"{place}/{ESCAPES[said]}?stream=true")
    stop = asked(Handle("llama", "stream", said)).cancel
    assert stop == Call("DELETE", f"stream?conv_id={ESCAPES[said]}", {})


CURSORS = ESCAPES | {
    "7\r\nHost: evil.example": "7%0D%0AHost%3A%20evil.example",
    "7\0": "7%00",
    "é\u2028": "%C3%A9%E2%80%A8",
    "7\ud800": "7%3F",
    "9" * 600: "9" * 600,
}


@pytest.mark.parametrize("cursor", CURSORS, ids=ascii)
def test_a_cursor_is_one_value_of_a_query(cursor: str) -> None:
    quoted = CURSORS[cursor]
    responses = RESPONSE.format(f"&starting_after={quoted}")
    assert asked(Handle("responses", id="resp_1"), cursor).after == get(responses)
    interactions = f"interactions/i?stream=true&last_event_id={quoted}"
    assert asked(Handle("interactions", id="i"), cursor).after == get(interactions)
    llama = f"stream?conv_id=c&from={quoted}"
    assert asked(Handle("llama", "stream", "c"), cursor).after == get(llama)


UNFIT = ["", ".", "..", "...", "a\r\nb", "a\nb", "a\0b", "a\tb", "é", "a\u2028", "a\x7f", "a" * 600]


@pytest.mark.parametrize("said", UNFIT, ids=ascii)
@pytest.mark.parametrize("streams", [True, False])
def test_an_id_that_cannot_name_a_place_promises_nothing(said: str, streams: bool) -> None:
    assert kept("responses", said, streams=streams) == Handle()


def test_a_long_id_is_taken_up_to_a_bound() -> None:
    assert kept("responses", "a" * 512, streams=True).known
    assert not kept("responses", "a" * 513, streams=True).known


PATHS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(PATHS.map(lambda path: f"/{path}"), PATHS, st.text(max_size=20), PATHS)
def test_nothing_picks_a_host_and_no_id_or_cursor_changes_the_path(
    location: str, name: str, cursor: str, id: str
) -> None:
    handles = [located(location, name), kept("responses", id, streams=True)]
    handles += [kept("interactions", id, streams=True), Handle("llama", "stream", id)]
    for handle in handles:
        if not handle.known:
            continue
        for call in asked(handle, cursor)[:4]:
            if call is None:
                continue
            slash = "" if call.path.startswith("/") else "/"
            there = urlsplit(f"https://here.example{slash}{call.path}")
            assert (there.scheme, there.netloc) == ("https", "here.example")
            if not slash:
                continue
            assert "#" not in call.path
            segments = there.path.split("/")[1:]
            assert len(segments) <= 3
            assert ".." not in segments
            if handle.scheme != "llama":
                assert unquote(segments[1]) == id
            names = [name for name, _ in parse_qsl(there.query, keep_blank_values=True)]
            assert len(set(names)) == len(names) <= 3


# Handles


def test_a_location_is_our_relays_if_it_comes_with_a_name_and_leads_to_events() -> None:
    assert located("/v1/streams/a/events", "a") == Handle("relay", "/v1/streams/a/events", "a")
    assert located("/v1/streams/a/events?x", "a").scheme == "relay"
    assert located("/v1/streams/a/events", "") == Handle("location", "/v1/streams/a/events", "")
    assert located("/streams/a", "a") == Handle("location", "/streams/a", "a")


def test_an_api_that_keeps_the_answer_but_not_its_stream_can_be_polled_only() -> None:
    handle = kept("responses", "r", streams=False)
    assert (handle, rung(handle, "7")) == (Handle("responses-kept", "", "r"), Rung.FETCH)
    assert not kept("interactions", "i", streams=False).known


@pytest.mark.parametrize("scheme", ["", "nothing", "nonsense"])
def test_a_word_that_is_no_scheme_promises_nothing(scheme: str) -> None:
    assert kept(scheme, "id", streams=True) == Handle()
    assert not Handle(scheme, "/x", "id").known
    assert rung(Handle(scheme, "/x", "id"), "7") is Rung.NONE


@pytest.mark.parametrize(
    ("path", "server", "found"),
    [
        ("v1/chat/completions", "llama.cpp", "v1/stream"),
        ("chat/completions", "Llama.cpp b6000", "stream"),
        ("chat/completions", "nginx", None),
        ("chat/completions", "", None),
    ],
)
def test_a_llama_server_is_known_by_its_name_and_keeps_a_stream_under_ours(
    path: str, server: str, found: str | None
) -> None:
    call = Call("POST", path, {CONVERSATION_HEADER: "c1"})
    assert by_conversation(call, server) == (Handle("llama", found, "c1") if found else Handle())
    assert by_conversation(Call("POST", path, {}), server) == Handle()


def test_only_a_get_is_made_again() -> None:
    assert again(get("tail")) == Handle("again", "tail")
    assert again(post("tail")) == Handle()


@pytest.mark.parametrize("name", DIALECTS)
def test_what_a_dialect_says_of_itself_is_a_scheme(name: str) -> None:
    assert dialect(name).SCHEME in ("", *SCHEMES)


@pytest.mark.parametrize(
    "handle",
    [Handle(), NOTHING, *LITERALLY],
    ids=lambda handle: f"{handle.scheme or 'unknown'} {handle.path}",
)
def test_a_handle_is_read_back_from_the_journal_as_it_was(handle: Handle) -> None:
    row: dict[str, object] = dict.fromkeys(StreamRow.__struct_fields__, "")
    row |= {"scheme": handle.scheme, "resume_path": handle.path, "remote_id": handle.id}
    assert StreamRow(**row).handle == handle
    assert msgspec.json.decode(msgspec.json.encode(handle), type=Handle) == handle


def test_a_scheme_without_a_place_is_read_back_as_nothing_known() -> None:
    row: dict[str, object] = dict.fromkeys(StreamRow.__struct_fields__, "")
    assert StreamRow(**row | {"scheme": "responses"}).handle == Handle()


# Rungs

N, R, E, F = Rung.NONE, Rung.REPLAY, Rung.EXACT, Rung.FETCH
RUNGS = {
    "location": (R, E),
    "relay": (E, E),
    "again": (N, E),
    "hoped": (N, E),
    "responses": (E, E),
    "responses-kept": (F, F),
    "interactions": (E, E),
    "llama": (E, E),
}
"""Without a cursor, and with one."""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_rung_is_what_the_server_has_shown_as_far_as_the_user_lets_us(scheme: str) -> None:
    handle, (without, with_one) = Handle(scheme, "/x", "id"), RUNGS[scheme]
    assert (rung(handle, ""), rung(handle, "7")) == (without, with_one)
    exact = N if without is R else without
    assert (rung(handle, "", "exact"), rung(handle, "7", "exact")) == (exact, with_one)
    assert (rung(handle, "", "off"), rung(handle, "7", "off")) == (N, N)


def test_a_server_that_has_shown_nothing_has_no_rung() -> None:
    for handle in (Handle(), NOTHING):
        assert rung(handle, "7") is Rung.NONE
