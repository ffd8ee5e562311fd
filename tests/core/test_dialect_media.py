from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import Citation, Media, MediaKind
from ssechat.core.dialects._media import MAX_ENCODED, decoded, encoded, located
from ssechat.core.dialects._sources import citations, web_address

IMAGE = MediaKind.IMAGE


@given(st.binary(max_size=60))
def test_base64_of_either_alphabet_padded_or_not_is_decoded(data: bytes) -> None:
    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        assert decoded(text) == decoded(text.rstrip("=")) == decoded(f" {text}\r\n") == data


@pytest.mark.parametrize("text", ["Q", "QQ==QQ==", "Q*Q=", "é", "\ud800", "==QQ"])
def test_what_is_no_base64_is_nothing(text: str) -> None:
    assert decoded(text) is None


@given(st.text(max_size=20))
def test_any_text_is_survived(text: str) -> None:
    decoded(text)
    located(IMAGE, "0", "data:image/png;base64," + text)
    located(IMAGE, "0", text)


def test_more_than_an_event_may_hold_is_not_decoded() -> None:
    assert decoded("A" * MAX_ENCODED) is not None
    assert decoded("A" * (MAX_ENCODED + 4)) is None


def test_a_data_url_holds_the_thing() -> None:
    whole = [Media(IMAGE, "3", b"A", "image/png", whole=True)]
    assert located(IMAGE, "3", "data:image/png;base64,QQ==") == whole
    assert located(IMAGE, "3", "DATA:image/PNG;name=a;BASE64,QQ") == whole


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data:",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,*",
        "data:image/svg+xml,%3Csvg%3E",
        "data:" + ";" * 10_000_000,
        "javascript:alert(1)",
        "file:///etc/passwd",
    ],
)
def test_a_url_that_holds_nothing_and_lies_nowhere_is_nothing(url: str) -> None:
    assert located(IMAGE, "0", url) == []


def test_another_url_says_where_the_thing_lies() -> None:
    (media,) = located(IMAGE, "0", "https://host/cat.png")
    assert media == Media(IMAGE, "0", url="https://host/cat.png", whole=True)


def test_what_a_server_declares_is_cleaned_and_bounded() -> None:
    (media,) = encoded(IMAGE, "0", "QQ==", "image/\x1b" + "x" * 500)
    assert media.mime.isprintable()
    assert len(media.mime) == 100


@pytest.mark.parametrize(
    "address",
    ["ftp://host", "https://a b", "https://a\x1b[2J", "https://\ud800", "https://" + "a" * 4096],
)
def test_only_a_web_address_that_can_be_shown_is_one(address: str) -> None:
    assert web_address(address) == ""
    assert web_address("HTTPS://host/é?q=1") == "HTTPS://host/é?q=1"


def test_a_citation_is_cleaned_and_bounded() -> None:
    (cited,) = citations("a\nb", "https://host", "q" * 1000)
    assert cited == Citation("a b", "https://host", "q" * 499 + "…")


def test_a_citation_of_nothing_is_none() -> None:
    assert citations(" ", "javascript:x") == []
