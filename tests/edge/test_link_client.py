"""Clients: one where one will do, proxies by the environment, certificates by file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ssechat.core.conversation import Call
from ssechat.link import Target, fetch
from ssechat.link.problems import futile
from ssechat.link.proxy import proxy_for
from support.fault_server import Certificate, FaultServer, Request, Wire, certificate
from support.link import (
    active,
    exchanges_end,
    failure,
    hangs_before_headers,
    misconfigured,
    read,
    says_hello,
)

MODEL = "http://model.example/v1"
SECRET = {"Authorization": "sk-hunter2"}


@pytest.fixture(autouse=True)
def no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"), "model.example")


async def unused(request: Request, _: Wire) -> None:
    raise AssertionError(f"nothing should come here: {request.method} {request.target}")


# One client


async def test_one_client_serves_all_that_need_no_other(clients, monkeypatch):
    async with clients.client("http://127.0.0.1:1") as a, clients.client("https://h.example") as b:
        assert a is b
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    async with clients.client("https://h.example") as c, clients.client("http://h.example") as d:
        assert c is not a
        assert d is a


async def test_a_client_is_built_once_for_all_who_ask_at_once(clients):
    async with (
        clients.client("http://a.example") as a,
        clients.client("http://b.example") as b,
    ):
        assert a is b
        assert (a.trust_env, a.follow_redirects) == (False, False)


async def test_clients_share_one_tls_context(clients, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with clients.client("http://a.example"), clients.client("http://127.0.0.1"):
        assert len(clients._clients) == 2
        assert len(clients._contexts) == 1


async def test_closing_closes_what_was_kept(clients):
    async with FaultServer(says_hello) as server:
        await read(clients, Target(server.base_url))
        assert not server.wires[0].peer_closed.is_set()
        await clients.close()
        await server.left(within=1)


async def test_http2_without_its_package_says_what_to_install(clients, monkeypatch):
    monkeypatch.setitem(sys.modules, "h2", None)
    async with FaultServer(unused) as server:
        problem = await misconfigured(clients, Target(server.base_url, http2=True))
    assert "ssechat[http2]" in problem.remedy


async def test_http2_gets_a_client_for_each_stream(clients):
    pytest.importorskip("h2")
    async with (
        clients.client("https://h.example", http2=True) as a,
        clients.client("https://h.example", http2=True) as b,
    ):
        assert a is not b
    assert a.is_closed
    assert b.is_closed
    assert not clients._clients


# Proxies


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9:81", "localhost", "LOCALHOST:1", "a.localhost", "[::1]:8080"]
)
def test_loopback_goes_direct(scheme, host):
    env = {"HTTP_PROXY": "http://p", "HTTPS_PROXY": "http://p", "ALL_PROXY": "http://p"}
    assert proxy_for(f"{scheme}://{host}/v1", env) is None
    assert proxy_for(f"{scheme}://h.example/v1", env)


@pytest.mark.parametrize(
    ("rules", "host"),
    [
        ("*", "h.example"),
        ("h.example", "h.example"),
        ("H.Example.", "h.example"),
        ("h.example", "H.EXAMPLE."),
        ("example", "h.example"),
        (".example", "h.example"),
        ("*.example", "h.example"),
        ("a.b, h.example", "h.example"),
        ("a.b h.example", "h.example"),
        ("h.example:80", "h.example"),
        ("h.example:8080", "h.example:8080"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3/8", "10.200.0.1:99"),
        ("10.1.2.3:99", "10.1.2.3:99"),
        ("fe80::/10", "[fe80::7]"),
        ("[fe80::/10]", "[fe80::7]"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8:0::1]"),
        ("[2001:db8::1]:81", "[2001:db8::1]:81"),
    ],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_what_no_proxy_names_goes_direct(rules, host, variable):
    env = {"HTTP_PROXY": "http://p", variable: rules}
    assert proxy_for(f"http://{host}/v1", env) is None


@pytest.mark.parametrize(
    ("rules", "host"),
    [
        ("", "h.example"),
        (",, ,", "h.example"),
        (".", "h.example"),
        ("other.example", "h.example"),
        ("xample", "h.example"),
        ("h.example:81", "h.example"),
        ("h.example:x", "h.example"),
        ("10.0.0.0/8", "h.example"),
        ("10.0.0.0/8", "11.1.2.3"),
        ("10.0.0.0/99", "10.1.2.3"),
        ("10.0.0.0/8", "[fe80::7]"),
        ("0.0.0", "10.0.0.0"),
        ("[", "h.example"),
        ("[::1", "[fe80::7]"),
        ("h.example:99999999999", "h.example"),
    ],
)
def test_all_else_goes_through_the_proxy(rules, host):
    env = {"HTTP_PROXY": "http://p", "NO_PROXY": rules}
    assert proxy_for(f"http://{host}/v1", env)


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({"http_proxy": "a", "HTTP_PROXY": "b", "ALL_PROXY": "c"}, "http_proxy"),
        ({"HTTP_PROXY": "b", "all_proxy": "c"}, "HTTP_PROXY"),
        ({"http_proxy": " ", "all_proxy": "c", "ALL_PROXY": "d"}, "all_proxy"),
        ({"ALL_PROXY": "d", "HTTPS_PROXY": "e"}, "ALL_PROXY"),
    ],
)
def test_the_scheme_and_lower_case_go_first(env, variable):
    proxy = proxy_for("http://h.example", env)
    assert proxy is not None
    assert proxy.variable == variable
    assert proxy.url == f"http://{env[variable]}"


def test_a_proxys_password_is_not_shown():
    proxy = proxy_for("http://h.example", {"HTTP_PROXY": "http://me:hunter2@p:3128"})
    assert proxy is not None
    assert proxy.shown == "p:3128 (HTTP_PROXY)"
    assert "hunter2" not in repr(proxy)


async def test_a_request_goes_through_the_proxy_that_the_environment_names(clients, monkeypatch):
    async with FaultServer(says_hello) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"me:pass@{proxy.netloc}")
        frames = await read(clients, Target(MODEL))
        assert [frame.data for frame in frames] == ["hello"]
    assert proxy.requests[0].target == "http://model.example/v1/chat"
    assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")


async def test_loopback_does_not_meet_the_proxy(clients, monkeypatch):
    async with FaultServer(says_hello) as server, FaultServer(unused) as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        await read(clients, Target(server.base_url))
        assert len(server.requests) == 1
        assert not proxy.connections


async def test_a_key_goes_through_a_tunnel_only_to_the_server(clients, monkeypatch, cert):
    async def tunnels(request: Request, wire: Wire) -> None:
        assert request.method == "CONNECT"
        assert not sent
        await wire.head(200)
        await wire.tunnel("127.0.0.1", server.port)

    sent: list[int] = []
    async with FaultServer(says_hello, tls=cert) as server, FaultServer(tunnels) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        target = Target("https://model.example/v1", secret_headers=SECRET, ca_file=str(cert.cert))
        await read(clients, target, on_sent=lambda: sent.append(1))
    assert sent == [1]
    assert [request.target for request in proxy.requests] == ["model.example:443"]
    assert "authorization" not in proxy.requests[0].headers
    assert server.requests[0].headers["authorization"] == "sk-hunter2"


@pytest.mark.parametrize(
    ("status", "remedy"), [(407, "user and password"), (403, "NO_PROXY"), (502, "NO_PROXY")]
)
async def test_a_proxy_that_refuses_is_named(clients, monkeypatch, status, remedy):
    async def refuses(_: Request, wire: Wire) -> None:
        await wire.reply(status, "no", reason="\x1b[31m" + "No" * 999)

    async with FaultServer(refuses) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        problem = await failure(clients, Target("https://model.example"))
    assert problem.kind == "connect"
    assert problem.title.startswith(f"the proxy {proxy.netloc} (HTTPS_PROXY) refused")
    assert str(status) in problem.title
    assert remedy in problem.remedy
    assert futile(problem)


async def test_a_proxy_that_hangs_has_the_time_to_connect_only(clients, monkeypatch):
    async with FaultServer(hangs_before_headers) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        problem = await failure(clients, Target("https://model.example", connect=0.1))
        await exchanges_end()
    assert problem.kind == "connect"
    assert "in time" in problem.title
    assert proxy.netloc in problem.title
    assert active(clients) == 0


async def test_a_proxy_that_is_not_there_is_named(clients, monkeypatch):
    async with FaultServer(unused) as proxy:
        pass
    monkeypatch.setenv("ALL_PROXY", proxy.base_url)
    problem = await failure(clients, Target(MODEL))
    assert problem.title == f"nothing listens at the proxy {proxy.netloc} (ALL_PROXY)"


@pytest.mark.parametrize(
    "value",
    [
        "ftp://p:1",
        "http://p:port",
        "http://p:99999",
        "http://[::1",
        "http://",
        "http:///path",
        "://",
        "http://\x1b:1",
        "http://a b:1",
        "\udcff",
    ],
)
async def test_a_bad_proxy_is_told_without_its_value(clients, monkeypatch, value):
    bad = value.replace("//", "//me:hunter2@", 1)
    monkeypatch.setenv("HTTP_PROXY", bad)
    problem = await misconfigured(clients, Target(MODEL))
    assert problem.title == "HTTP_PROXY is not a proxy address that can be used"
    assert "hunter2" not in str(problem)


async def test_a_bad_proxy_of_the_other_scheme_is_no_hindrance(clients, monkeypatch):
    async with FaultServer(says_hello) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", "nonsense://")
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        assert await read(clients, Target(MODEL))


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_without_its_package_says_what_to_install(clients, monkeypatch, scheme):
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://p:1080")
    problem = await misconfigured(clients, Target(MODEL))
    assert "ssechat[socks]" in problem.remedy


# Certificates


async def test_a_certificate_that_nobody_signed_is_not_trusted(clients, cert):
    async with FaultServer(unused, tls=cert) as server:
        problem = await failure(clients, Target(server.base_url, secret_headers=SECRET))
    assert problem.kind == "connect"
    assert problem.title.startswith(f"the certificate of {server.netloc} is not trusted: self")
    assert "ca_file" in problem.remedy
    assert futile(problem)


async def test_the_profiles_ca_file_makes_it_trusted(clients, cert, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    async with FaultServer(says_hello, tls=cert) as server:
        assert await read(clients, Target(server.base_url, ca_file=str(cert.cert)))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_the_environments_ca_file_makes_it_trusted(clients, cert, monkeypatch, variable):
    monkeypatch.setenv(variable, str(cert.cert))
    async with FaultServer(says_hello, tls=cert) as server:
        assert await read(clients, Target(server.base_url))


async def test_a_ca_file_in_the_home_directory_is_found(clients, cert, home):
    (home / "ca.pem").write_bytes(cert.cert.read_bytes())
    async with FaultServer(says_hello, tls=cert) as server:
        assert await read(clients, Target(server.base_url, ca_file="~/ca.pem"))


async def test_a_certificate_for_another_name_is_not_trusted(clients, cert):
    async with FaultServer(unused, tls=cert) as server:
        url = server.base_url.replace("127.0.0.1", "127.0.0.2")
        problem = await failure(clients, Target(url, ca_file=str(cert.cert)))
    assert "not trusted" in problem.title or "nothing listens" in problem.title


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_a_ca_file_that_is_missing_is_named_with_its_variable(clients, monkeypatch, variable):
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    problem = await misconfigured(clients, Target(MODEL))
    assert problem.title == f"{variable} cannot be used: /nowhere/ca.pem"
    assert "No such file" in problem.detail
    assert variable in problem.remedy


def _bad_ca_files(folder: Path) -> list[str]:
    (folder / "empty.pem").touch()
    (folder / "text.pem").write_text("no certificate")
    paths = [folder / "missing.pem", folder, folder / "empty.pem", folder / "text.pem"]
    return [*map(str, paths), "~nobody-of-that-name/ca.pem", "a\0b"]


async def test_a_ca_file_that_is_none_is_told(clients, tmp_path):
    for path in _bad_ca_files(tmp_path):
        with pytest.raises(Exception, match="ca_file cannot be used") as caught:
            await fetch(clients, Target(MODEL, ca_file=path), Call("GET", "models", {}))
        assert caught.value.exit_code == 2
        assert caught.value.detail
