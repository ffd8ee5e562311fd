"""What the user configured: `config.toml` as frozen values, with a warning for each fault in it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ssechat.core.dialects import DIALECTS
from ssechat.sse_table import options as sse_options
from ssechat.toml_tables import ConfigWarning, Table, hint, one_of, read

DEMO = "demo"
"""The name of the built-in demo provider's profile; no other may have it."""
DEFAULT_THEME = "ssechat-dark"

_RESUME = ("auto", "exact", "off")
_THINKING = ("show", "collapse", "hide")
_IMAGES = ("auto", "kitty", "sixel", "blocks", "off")

_LONGEST_WAIT = 86_400.0
_DEEPEST = 32
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_FRAMING_HEADERS = ("content-length", "transfer-encoding")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,18}|[A-Z_][A-Z0-9_]*")
_LANGUAGE = re.compile(r"auto|[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class Timeouts(msgspec.Struct, frozen=True):
    """In seconds. `silence`: no byte at all, once keepalives were seen; `idle`: no payload."""

    connect: float = 10.0
    headers: float = 600.0
    silence: float = 45.0
    idle: float = 300.0


class Profile(msgspec.Struct, frozen=True):
    """One way to reach a model. `base_url` has no slash at its end; it may have a path.

    At most one source of the key is used: the first of variable, command and keyring entry that
    yields one. `ca_file` is absolute, or "" for the system's certificates. `relay` says that the
    server de-duplicates by `Idempotency-Key`, so a request may be posted again; no key sets it.
    `options` are for the dialect, from the table that is named as it is: what is not as usual.
    """

    name: str
    dialect: str
    base_url: str
    model: str
    api_key_env: str = ""
    api_key_command: str = ""
    api_key_keyring: str = ""
    headers: dict[str, str] = {}
    resume: str = "auto"
    params: dict[str, Any] = {}
    http2: bool = False
    background_relay: bool = True
    ca_file: str = ""
    timeouts: Timeouts = Timeouts()
    relay: bool = False
    options: dict[str, Any] = {}


class Ui(msgspec.Struct, frozen=True):
    """How it looks. `fps` bounds an answer's frames in a second; `language` is a tag or `auto`."""

    theme: str = DEFAULT_THEME
    thinking: str = "collapse"
    mouse: bool = True
    fps: int = 125
    images: str = "auto"
    language: str = "auto"


class Settings(msgspec.Struct, frozen=True):
    """`profile` is the default profile's name, "" if none is set; it need not be in `profiles`.

    `keys` maps action ids to key names, an empty tuple unbinds. `complete` is False if the file or
    a profile in it could not be used: then what is here may not be what the user meant.
    """

    profile: str = ""
    profiles: dict[str, Profile] = {}
    keys: dict[str, tuple[str, ...]] = {}
    ui: Ui = Ui()
    background_relay: bool = True
    complete: bool = True


def load(path: Path) -> tuple[Settings, list[ConfigWarning]]:
    """The configuration in `path`, and what is wrong with it. Never raises; no file is no fault."""
    root = read(path)
    background_relay = root.flag("background_relay", True)
    table = root.table("profiles")
    profiles = _profiles(table, background_relay, path.parent)
    settings = Settings(
        profile=_default_profile(root, profiles),
        profiles=profiles,
        keys=_keys(root.table("keys")),
        ui=_ui(root.table("ui")),
        background_relay=background_relay,
        complete=root.report.readable and len(profiles) == len(table.values()),
    )
    root.finish()
    return settings, root.report.warnings


def _default_profile(root: Table, profiles: dict[str, Profile]) -> str:
    name = root.text("profile")
    if name and name not in profiles:
        known = one_of(list(profiles)) if profiles else "a profile that can be used"
        instead = "there is no default profile"
        root.warn("profile", f"{known}{hint(name, list(profiles))}", instead)
    return name


def _profiles(table: Table, background_relay: bool, folder: Path) -> dict[str, Profile]:
    found: dict[str, Profile] = {}
    for name, entry in table.tables():
        if name == DEMO or not name.isprintable() or not name.strip():
            table.warn(name, f"a name that can be typed, other than {DEMO}", _LEFT_OUT)
        elif profile := _profile(name, entry, background_relay, folder):
            found[name] = profile
    return found


_LEFT_OUT = "the profile is left out"


def _profile(name: str, table: Table, background_relay: bool, folder: Path) -> Profile | None:
    dialect = _dialect(table)
    base_url = _base_url(table)
    options = sse_options(table.table("sse")) if dialect == "sse" else {}
    profile = Profile(
        name=name,
        dialect=dialect,
        base_url=base_url,
        model=_model(table, name if dialect == "sse" and "model" not in options else ""),
        api_key_env=_variable(table),
        api_key_command=table.text("api_key_command"),
        api_key_keyring=table.text("api_key_keyring"),
        headers=_headers(table.table("headers")),
        resume=table.choice("resume", "auto", _RESUME),
        params=_params(table.table("params")),
        http2=table.flag("http2", False),
        background_relay=table.flag("background_relay", background_relay),
        ca_file=_ca_file(table, folder),
        timeouts=_timeouts(table.table("timeouts")),
        options=options,
    )
    table.finish()
    return profile if dialect and base_url else None


def _dialect(table: Table) -> str:
    name = table.text("dialect")
    if name in DIALECTS:
        return name
    known = list(DIALECTS)
    table.warn("dialect", f"{one_of(known)}{hint(name, known)}", _LEFT_OUT)
    return ""


def _base_url(table: Table) -> str:
    """The URL, or "" if it cannot be used. What it holds is not quoted: it may be a password."""
    wrong = base_url_fault(table.text("base_url"))
    if wrong:
        table.warn("base_url", wrong, _LEFT_OUT)
        return ""
    return table.text("base_url").rstrip("/")


def base_url_fault(url: str) -> str:
    """What was expected of a base URL instead, or "" if it is one."""
    wanted = "a URL such as https://host/v1"
    if not url.isprintable() or "\\" in url or any(map(str.isspace, url)):
        return f"{wanted} without spaces or backslashes"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return wanted
    if "@" in parts.netloc:
        return f"{wanted} without a user or password (name the key's variable in api_key_env)"
    if parts.scheme not in ("http", "https") or not host:
        return wanted
    if "?" in url or "#" in url:
        return f"{wanted} without a query or fragment"
    return ""


def _model(table: Table, usual: str) -> str:
    """The model's name. A server that is told of none has one to be shown by: `usual`."""
    name = table.text("model", usual).strip()
    if not name:
        table.warn("model", "the name of a model", "it has to be chosen in the app or by --model")
    return name


def _variable(table: Table) -> str:
    """The variable's name. What looks like a key that was put here by mistake is not repeated."""
    name = table.text("api_key_env")
    if not name or _VARIABLE.fullmatch(name):
        return name
    table.warn("api_key_env", "the name of an environment variable, not a key", "it is ignored")
    return ""


def _headers(table: Table) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in table.texts():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            table.warn(name, "a header of printable ASCII characters", "it is not sent")
        elif name.lower() in _FRAMING_HEADERS:
            table.warn(name, "a header that does not frame the body", "it is not sent")
        else:
            headers[name] = value
    return headers


def _params(table: Table) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, value in table.values().items():
        if _is_json(value):
            params[name] = value
        else:
            table.warn(name, "what JSON can hold (no dates, no infinity)", "it is not sent")
    return params


def _is_json(value: object, depth: int = 0) -> bool:
    match value:
        case dict() | list() if depth > _DEEPEST:
            return False
        case dict():
            return all(_is_json(part, depth + 1) for part in value.values())
        case list():
            return all(_is_json(part, depth + 1) for part in value)
        case float():
            return math.isfinite(value)
        case int():
            return -(2**63) <= value < 2**63
        case _:
            return isinstance(value, str)


def _ca_file(table: Table, folder: Path) -> str:
    given = table.text("ca_file")
    try:
        return str(folder / Path(given).expanduser()) if given else ""
    except RuntimeError:
        table.warn("ca_file", "a path in a home directory that exists", "it is ignored")
        return ""


def _timeouts(table: Table) -> Timeouts:
    usual = Timeouts()

    def seconds(key: str, default: float) -> float:
        return table.number(key, default, 0.1, _LONGEST_WAIT, "seconds")

    timeouts = Timeouts(
        connect=seconds("connect", usual.connect),
        headers=seconds("headers", usual.headers),
        silence=seconds("silence", usual.silence),
        idle=seconds("idle", usual.idle),
    )
    table.finish()
    return timeouts


def _keys(table: Table) -> dict[str, tuple[str, ...]]:
    return {
        action: tuple(key for part in value.split(",") if (key := part.strip()))
        for action, value in table.texts()
    }


def _ui(table: Table) -> Ui:
    usual = Ui()
    ui = Ui(
        theme=table.text("theme", usual.theme),
        thinking=table.choice("thinking", usual.thinking, _THINKING),
        mouse=table.flag("mouse", usual.mouse),
        fps=round(table.number("fps", usual.fps, 1, 125, "frames a second")),
        images=table.choice("images", usual.images, _IMAGES),
        language=_language(table, usual.language),
    )
    table.finish()
    return ui


def _language(table: Table, usual: str) -> str:
    tag = table.text("language", usual)
    if _LANGUAGE.fullmatch(tag):
        return tag
    table.warn("language", "a language tag such as en or pt-BR, or auto", f'using "{usual}"')
    return usual
