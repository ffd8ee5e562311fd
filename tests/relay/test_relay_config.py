"""relay.toml: what is read, and what is said of what cannot be."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.relay.config import Limits, RelayConfig, Tls, Upstream, load


def read(tmp_path: Path, text: str) -> tuple[RelayConfig, list[str]]:
    file = tmp_path / "relay.toml"
    file.write_text(text, "utf-8")
    config, warnings = load(file)
    return config, [f"{warning.line}:{warning.key}" for warning in warnings]


def test_a_missing_file_is_an_empty_configuration(tmp_path: Path) -> None:
    assert load(tmp_path / "relay.toml") == (RelayConfig(), [])


def test_every_key_is_read(tmp_path: Path) -> None:
    config, warnings = read(
        tmp_path,
        """
listen = "[::1]:99"
uds = "/x"
tls = { cert = "c", key = "k" }
journal = "j.db"
allowed_hosts = ["a.example"]
origins = ["https://b.example"]
detach_ttl = "90s"
retention = "2d"
lease = "3s"
[limits]
event_bytes = 1
stream_bytes = 2
live_streams = 3
readers = 4
requests_per_minute = 5
[upstreams.openai]
base_url = "https://api.openai.com/"
api_key_env = "OPENAI_API_KEY"
api_key_command = "pass"
api_key_keyring = "me"
dialects = ["openai-chat"]
models = ["m"]
allow_paths = ["POST v1/embeddings", "GET v1/files/*"]
ca_file = "ca.pem"
""",
    )
    assert warnings == []
    assert config == RelayConfig(
        host="::1",
        port=99,
        uds="/x",
        tls=Tls("c", "k"),
        journal="j.db",
        allowed_hosts=("a.example",),
        origins=("https://b.example",),
        detach_ttl=90,
        retention=172_800,
        lease=3,
        limits=Limits(1, 2, 3, 4, 5),
        upstreams={
            "openai": Upstream(
                name="openai",
                base_url="https://api.openai.com",
                api_key_env="OPENAI_API_KEY",
                api_key_command="pass",
                api_key_keyring="me",
                dialects=("openai-chat",),
                models=("m",),
                allow_paths=("POST v1/embeddings", "GET v1/files/*"),
                ca_file=str(tmp_path / "ca.pem"),
            )
        },
    )


@pytest.mark.parametrize(
    "scheme", ["redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel"]
)
def test_a_journal_may_be_in_redis(tmp_path: Path, scheme: str) -> None:
    config, warnings = read(tmp_path, f'journal = "{scheme}://u:p@h:1/0"')
    assert warnings == []
    assert config.journal == f"{scheme}://u:p@h:1/0"


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ('listen = "x"', ["1:listen"]),
        ('listen = "127.0.0.1:70000"', ["1:listen"]),
        ('detach_ttl = "soon"', ["1:detach_ttl"]),
        ("retention = 5", ["1:retention"]),
        ('allowed_hosts = ["a b"]', ["1:allowed_hosts"]),
        ('origins = "https://x"', ["1:origins"]),
        ('tls = { cert = "c" }', ["1:tls"]),
        ('journal = "mysql://x"', ["1:journal"]),
        ('journal = "http://x"', ["1:journal"]),
        ('journal = "redis+x://h"', ["1:journal"]),
        ('lease = "soon"', ["1:lease"]),
        ("[limits]\nreaders = 0", ["2:limits.readers"]),
        ("[limits]\nwriters = 1", ["2:limits.writers"]),
        ("nonsense = 1", ["1:nonsense"]),
        ('[upstreams.v1]\nbase_url = "http://x"', ["1:upstreams.v1"]),
        ('[upstreams.x]\nbase_url = "ftp://x"', ["2:upstreams.x.base_url"]),
        (
            '[upstreams.x]\nbase_url = "http://x"\ndialects = ["openai"]',
            ["3:upstreams.x.dialects"],
        ),
        (
            '[upstreams.x]\nbase_url = "http://x"\nallow_paths = ["v1/x"]',
            ["3:upstreams.x.allow_paths"],
        ),
    ],
)
def test_faults_have_a_place_and_leave_the_rest(
    tmp_path: Path, text: str, warned: list[str]
) -> None:
    config, warnings = read(tmp_path, text)
    assert warnings == warned
    assert (config.host, config.port, config.tls) == ("127.0.0.1", 8787, Tls())


def test_the_sample_holds_what_holds_without_it_and_all_that_it_shows_is_read(
    tmp_path: Path,
) -> None:
    sample = (files("ssechat.relay") / "sample.toml").read_text("utf-8")
    assert read(tmp_path, sample) == (RelayConfig(), [])
    shown = re.sub(r"^# ?(?=\[|[a-z_]+ = )", "", sample, flags=re.MULTILINE)
    tomllib.loads(shown)
    config, warnings = read(tmp_path, shown)
    assert warnings == []
    assert set(config.upstreams) == {"openai", "anthropic", "ollama"}


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "relay.toml"
        file.write_text(text, "utf-8", errors="replace")
        load(file)
