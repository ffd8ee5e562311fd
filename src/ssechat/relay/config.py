"""What the operator configured: `relay.toml` as frozen values, with a warning for each fault."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from ssechat.core.dialects import DIALECTS
from ssechat.settings import Profile, base_url_fault
from ssechat.toml_tables import ConfigWarning, Table, hint, one_of, read

HOST, PORT = "127.0.0.1", 8787
RESERVED = ("v1", "api", "healthz", "readyz", "metrics", "static")
"""First parts of paths that are the relay's own."""

_UPSTREAM = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+):([0-9]{1,5})")
_HOST_NAME = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+")
_ORIGIN = re.compile(r"https?://[^/\s?#@]+")
_PATH = re.compile(r"(?:GET|POST|DELETE) [^\s?#\\]{1,500}")
_SHORTEST_LEASE = 1.0  # s
_REDIS = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel")
_LEFT_OUT = "the upstream is left out"


class Limits(msgspec.Struct, frozen=True):
    """Bounds. Over one, the answer is 429, or the stream is stopped; what has come of it stays.

    `event_bytes` and `stream_bytes` are of an event's data and of all that a stream's events hold;
    `live_streams` and `requests_per_minute` are for each owner, `readers` for each stream.
    """

    event_bytes: int = 8 * 2**20
    stream_bytes: int = 64 * 2**20
    live_streams: int = 64
    readers: int = 16
    requests_per_minute: int = 600


class Upstream(msgspec.Struct, frozen=True):
    """A provider, under the first part of the path. `/NAME/REST` goes to `base_url/REST`.

    `dialects` are those of its generation endpoints that may be used; empty: all of them.
    `models` is an allow-list, empty for all. `allow_paths` are further requests, such as
    `"POST v1/embeddings"`, that pass as they are; `*` at the end stands for any rest.
    """

    name: str
    base_url: str
    api_key_env: str = ""
    api_key_command: str = ""
    api_key_keyring: str = ""
    dialects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    allow_paths: tuple[str, ...] = ()
    ca_file: str = ""

    def profile(self, dialect: str, view: str = "") -> Profile:
        """This upstream as the hub knows servers. Its name is `UPSTREAM/DIALECT`, or
        `UPSTREAM/DIALECT/VIEW` for streams that are served in a view of the relay's own."""
        return Profile(
            name="/".join(filter(None, (self.name, dialect, view))),
            dialect=dialect,
            base_url=self.base_url,
            model="",
            api_key_env=self.api_key_env,
            api_key_command=self.api_key_command,
            api_key_keyring=self.api_key_keyring,
            ca_file=self.ca_file,
        )


class Tls(msgspec.Struct, frozen=True):
    """Files in PEM; both are "" where the relay speaks plain HTTP."""

    cert: str = ""
    key: str = ""


class RelayConfig(msgspec.Struct, frozen=True):
    """Where to listen, what to keep and for how long, and whom to relay to.

    `uds`, a path, wins over `host` and `port`. `journal` is "sqlite" for `relay.db` in the data
    directory, a path, or the address of a Redis that several relays may share. `allowed_hosts` are
    names in `Host`, whatever the port. `detach_ttl` and `retention` are seconds: a stream that
    nobody reads for so long is cancelled, and one that has ended is forgotten. `lease`, with a
    journal in Redis: a relay that is silent for so many seconds is taken to be dead.
    """

    host: str = HOST
    port: int = PORT
    uds: str = ""
    tls: Tls = Tls()
    journal: str = "sqlite"
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    origins: tuple[str, ...] = ()
    detach_ttl: float = 900.0
    retention: float = 3600.0
    lease: float = 10.0
    limits: Limits = Limits()
    upstreams: dict[str, Upstream] = {}


def in_redis(journal: str) -> bool:
    return journal.partition("://")[0] in _REDIS and "://" in journal


def load(path: Path) -> tuple[RelayConfig, list[ConfigWarning]]:
    """The configuration in `path`, and what is wrong with it. Never raises; no file is no fault."""
    root = read(path)
    usual = RelayConfig()
    host, port = _listen(root)
    tls = root.table("tls")
    found = RelayConfig(
        host=host,
        port=port,
        uds=root.text("uds"),
        tls=Tls(tls.text("cert"), tls.text("key")),
        journal=_journal(root),
        allowed_hosts=_texts(root, "allowed_hosts", usual.allowed_hosts, _HOST_NAME, "host names"),
        origins=_texts(root, "origins", (), _ORIGIN, "origins such as https://host"),
        detach_ttl=_duration(root, "detach_ttl", "15m"),
        retention=_duration(root, "retention", "1h"),
        lease=max(_SHORTEST_LEASE, _duration(root, "lease", "10s")),
        limits=_limits(root.table("limits")),
        upstreams=_upstreams(root.table("upstreams"), path.parent),
    )
    if bool(found.tls.cert) != bool(found.tls.key):
        root.warn("tls", "both cert and key", "the relay speaks plain HTTP")
        found = msgspec.structs.replace(found, tls=Tls())
    tls.finish()
    root.finish()
    return found, root.report.warnings


def _listen(root: Table) -> tuple[str, int]:
    usual = f"{HOST}:{PORT}"
    match = _LISTEN.fullmatch(root.text("listen", usual))
    if match and int(match[2]) < 65_536:
        return match[1].strip("[]"), int(match[2])
    root.warn("listen", "an address and a port, such as 127.0.0.1:8787", f"using {usual}")
    return HOST, PORT


def _journal(root: Table) -> str:
    where = root.text("journal", "sqlite")
    if where and ("://" not in where or in_redis(where)):
        return where
    root.warn("journal", '"sqlite", a path, or redis://HOST', 'using "sqlite"')
    return "sqlite"


def _duration(root: Table, key: str, usual: str) -> float:
    match = _DURATION.fullmatch(root.text(key, usual))
    if match is None:
        root.warn(key, "a duration such as 90s, 15m or 1h", f"using {usual}")
        match = _DURATION.fullmatch(usual)
    assert match is not None
    return int(match[1]) * _UNITS[match[2]]


def _limits(table: Table) -> Limits:
    usual = Limits()
    values = {
        name: int(table.number(name, getattr(usual, name), 1, 2**40, "a number"))
        for name in Limits.__struct_fields__
    }
    table.finish()
    return Limits(**values)


def _texts(
    table: Table, key: str, usual: tuple[str, ...], form: re.Pattern[str], wanted: str
) -> tuple[str, ...]:
    values = table.list(key, list(usual))
    if all(isinstance(value, str) and form.fullmatch(value) for value in values):
        return tuple(str(value) for value in values)
    table.warn(key, f"a list of {wanted}", f"using {list(usual)}")
    return usual


def _upstreams(table: Table, folder: Path) -> dict[str, Upstream]:
    found: dict[str, Upstream] = {}
    for name, entry in table.tables():
        if not _UPSTREAM.fullmatch(name) or name in RESERVED:
            others = ", ".join(RESERVED)
            table.warn(name, f"a name of a-z, 0-9, - and _ other than {others}", _LEFT_OUT)
        elif upstream := _upstream(name, entry, folder):
            found[name] = upstream
    return found


def _upstream(name: str, table: Table, folder: Path) -> Upstream | None:
    base_url = table.text("base_url")
    wrong = base_url_fault(base_url)
    if wrong:
        table.warn("base_url", wrong, _LEFT_OUT)
    ca_file = table.text("ca_file")
    upstream = Upstream(
        name=name,
        base_url=base_url.rstrip("/"),
        api_key_env=table.text("api_key_env"),
        api_key_command=table.text("api_key_command"),
        api_key_keyring=table.text("api_key_keyring"),
        dialects=_dialects(table),
        models=_texts(table, "models", (), re.compile(r"\S{1,200}"), "names of models"),
        allow_paths=_texts(table, "allow_paths", (), _PATH, 'requests such as "POST v1/x"'),
        ca_file=str(folder / Path(ca_file)) if ca_file else "",
    )
    table.finish()
    return None if wrong else upstream


def _dialects(table: Table) -> tuple[str, ...]:
    named = _texts(table, "dialects", (), re.compile(r".{1,100}"), "dialects")
    for name in named:
        if name not in DIALECTS:
            known = list(DIALECTS)
            table.warn("dialects", f"{one_of(known)}{hint(name, known)}", f"{name!r} is ignored")
    return tuple(name for name in named if name in DIALECTS)
