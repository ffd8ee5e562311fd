"""What the kernel tells of the network, and what of it is news. Messages as Linux lays them out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core import routes
from ssechat.core.routes import LIMIT, Picture

LINK, ADDRESS, ROUTE = 16, 20, 24
GONE = 1
ANSWER = 2  # a flag: part of an answer
UP, RUNNING, CARRIER, PROMISCUOUS = 0x1, 0x40, 0x10000, 0x100
TENTATIVE, PERMANENT = 0x40, 0x80
LINUX_DONE = 3


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    padding = bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body + padding


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def link(state: int, index: int = 2, more: bytes = b"", flags: int = 0) -> bytes:
    return message(LINK, struct.pack("=BBHiII", 0, 0, 1, index, state, 0) + more, flags)


def address(
    last: int = 7, *, kind: int = ADDRESS, state: int = PERMANENT, life: int = 60, flags: int = 0
) -> bytes:
    body = struct.pack("=BBBBI", 2, 24, state, 0, 2)
    local = attribute(2, bytes([192, 0, 2, last]))
    return message(kind, body + local + attribute(6, struct.pack("=4I", life, life, 0, 0)), flags)


def route(
    gateway: int = 1, *, kind: int = ROUTE, sort: int = 1, flags: int = 0, age: int = 0
) -> bytes:
    body = struct.pack("=8BI", 2, 0, 0, 0, 254, 4, 0, sort, flags)
    way = attribute(5, bytes([192, 0, 2, gateway])) + attribute(4, struct.pack("=i", 2))
    return message(kind, body + way + attribute(12, struct.pack("=I", age)))


def news(*told: bytes) -> list[bool]:
    picture = Picture()
    return [picture.take(data) for data in told]


def test_an_address_is_news_when_it_comes_and_when_it_goes() -> None:
    gone = address(kind=ADDRESS + GONE)
    assert news(address(7), address(8), gone, address(7)) == [True] * 4


def test_an_address_that_is_prolonged_is_no_news() -> None:
    assert news(address(life=60), address(life=3600)) == [True, False]


def test_an_address_is_news_only_once_it_can_be_used() -> None:
    assert news(address(state=TENTATIVE), address()) == [False, True]


def test_a_link_is_news_when_it_is_lost_and_when_it_is_back() -> None:
    up = link(UP | RUNNING | CARRIER)
    assert news(up, link(UP), up, link(0)) == [True] * 4
    assert news(up, link(UP | RUNNING | CARRIER, index=3)) == [True, True]


def test_a_link_that_only_tells_of_itself_is_no_news() -> None:
    up = UP | RUNNING | CARRIER
    scanned = link(up, more=attribute(11, b"what the driver says"))
    assert news(link(up), scanned, link(up | PROMISCUOUS)) == [True, False, False]


def test_a_route_is_news_with_another_gateway_and_when_it_goes() -> None:
    assert news(route(1), route(2), route(1, kind=ROUTE + GONE)) == [True] * 3


def test_a_route_that_is_told_again_or_leads_nowhere_else_is_no_news() -> None:
    assert news(route(1, age=5), route(1, age=9)) == [True, False]
    local, multicast, cached = route(sort=2), route(sort=5), route(flags=0x200)
    assert news(local, multicast, cached, message(66, b"")) == [False] * 4


def test_what_is_told_on_asking_is_known_and_no_news() -> None:
    known = [address(flags=ANSWER), link(UP, flags=ANSWER)]
    assert news(*known, address(), link(UP), link(0)) == [False] * 4 + [True]


@pytest.mark.parametrize("end", [message(LINUX_DONE, bytes(4)), message(2, bytes(20))])
def test_the_end_of_an_answer_is_known(end: bytes) -> None:
    assert routes.answered(address() + end)
    assert not routes.answered(address() + link(UP))


def test_memory_is_bounded() -> None:
    picture = Picture()
    for index in range(LIMIT + 1):
        assert picture.take(link(UP, index=index))
    assert not picture.take(link(UP, index=LIMIT))
    assert picture.take(link(UP, index=1))  # forgotten


told = st.sampled_from([address(), address(8), link(UP), link(0), route(), route(2)])


@given(st.lists(told, max_size=8))
def test_many_in_one_datagram_are_the_same_as_one_by_one(messages: list[bytes]) -> None:
    assert news(b"".join(messages)) == [any(news(*messages))]


@given(st.lists(told, max_size=3).map(b"".join), st.integers(0, 200), st.binary(max_size=80))
def test_what_is_no_message_never_fails(good: bytes, cut: int, junk: bytes) -> None:
    for data in (good[:cut], good[:cut] + junk, junk + good):
        Picture().take(data)
        routes.answered(data)
        routes.told_by_macos(data)


@given(st.sampled_from([LINK, ADDRESS, ROUTE]), st.integers(0, 1), st.binary(max_size=40))
def test_a_message_with_anything_inside_never_fails(kind: int, gone: int, junk: bytes) -> None:
    Picture().take(message(kind + gone, junk))


def test_on_macos_only_addresses_count() -> None:
    heard = [routes.told_by_macos(bytes([8, 0, 5, kind])) for kind in range(16)]
    assert [kind for kind, it_is in enumerate(heard) if it_is] == [0xC, 0xD]
