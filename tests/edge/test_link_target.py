"""Where a stream may be continued: at its own origin only."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.link import Target
from ssechat.link.target import same_origin

URL = "http://api.example:8080/v1/chat"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/v1/streams/a/events", "/v1/streams/a/events"),
        ("streams/a", "/v1/streams/a"),
        ("../x", "/x"),
        ("?after=1", "/v1/chat?after=1"),
        ("/x?a=1&b=%20#part", "/x?a=1&b=%20"),
        ("http://api.example:8080/x", "/x"),
        ("HTTP://API.Example:8080/x", "/x"),
        ("http://api.example:8080", "/"),
        ("http://api.example:8080?q", "/?q"),
        ("//api.example:8080/x", "/x"),
    ],
)
def test_a_location_at_the_same_origin_becomes_its_path(location, path):
    assert same_origin(URL, location) == path


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://evil.example:8080/x",
        "http://api.example/x",
        "http://api.example:8081/x",
        "https://api.example:8080/x",
        "//evil.example/x",
        "//evil.example:8080/x",
        "http://api.example:8080@evil.example/x",
        "http://user@api.example:8080/x",
        "http://:pw@api.example:8080/x",
        "http://evil.example\\@api.example:8080/x",
        "http://api.example:port/x",
        "http://[::1/x",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "/é",
        "/a\r\nX: y",
        "/a\tb",
        "/a?b=\x1b",
        "/a\x7f",
        "/" + "a" * 3000,
    ],
)
def test_any_other_location_is_none(location):
    assert same_origin(URL, location) == ""


def test_a_scheme_has_its_usual_port():
    assert same_origin("https://api.example/v1", "https://api.example:443/x") == "/x"
    assert same_origin("http://api.example:80/v1", "http://api.example/x") == "/x"
    assert same_origin("http://[::1]:80/v1", "http://[::1]/x") == "/x"


@given(st.text(max_size=60) | st.from_regex(r"(http:)?/{0,3}[\w.@:\\\[\]%-]{0,20}/\S*"))
def test_whatever_the_location_the_request_goes_to_the_origin(location):
    path = same_origin(URL, location)
    assert not path or path[0] == "/"
    url = urlsplit(Target("http://api.example:8080/v1").url(path))
    assert (url.scheme, url.netloc) == ("http", "api.example:8080")


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h/v1", "chat", "https://h/v1/chat"),
        ("https://h/v1/", "chat", "https://h/v1/chat"),
        ("https://h", "chat", "https://h/chat"),
        ("https://h:1/v1", "/v1/streams/a", "https://h:1/v1/streams/a"),
        ("https://h/v1", "//evil.example/x", "https://h//evil.example/x"),
        ("https://h/v1", "https://evil.example/x", "https://h/v1/https://evil.example/x"),
    ],
)
def test_a_path_never_leads_to_another_host(base, path, url):
    assert Target(base).url(path) == url


def test_a_password_in_the_url_is_not_shown():
    target = Target("https://me:pass@h:1/v1")
    assert target.where == "h:1"
    assert repr(target) == "Target(h:1)"
