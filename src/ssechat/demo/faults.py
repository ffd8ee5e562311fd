"""Fault knobs: `#name=value` words in a prompt that break its stream on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

_WORD = re.compile(r"#([a-z0-9]{1,12})(?:=(\S{1,100}))?")
_MOST_SECONDS = 3600.0
_MOST_EVENTS = 10_000_000
_RATES = (0.1, 100_000.0)
_MOST_KILOBYTES = 1000


class Pause(NamedTuple):
    """After event `after` comes a pause of `seconds`."""

    after: int
    seconds: float


class Faults(msgspec.Struct, frozen=True):
    """What a prompt asks for. Numbers of events are sequence numbers; times are seconds."""

    cut: tuple[int, ...] = ()
    reset: tuple[int, ...] = ()
    eof: tuple[int, ...] = ()
    stall: tuple[Pause, ...] = ()
    silence: tuple[Pause, ...] = ()
    slow: float = 0.0
    limited: int | None = None
    unavailable: int | None = None
    html: bool = False
    json: bool = False
    error: int | None = None
    length: int | None = None
    refuse: bool = False
    rate: float | None = None
    kilobytes: int | None = None
    plain: bool = False
    sparse: int = 1
    hostile: bool = False
    words: tuple[str, ...] = ()
    """The knobs as they were written."""

    def silence_of(self, number: int) -> float:
        """How long the line is dead after event `number`."""
        return sum(pause.seconds for pause in self.silence if pause.after == number)


def _flag(value: str | None) -> bool:
    if value is not None:
        raise ValueError
    return True


def _integer(value: str | None) -> int:
    if value is None or not re.fullmatch(r"[0-9]{1,8}", value):
        raise ValueError
    return min(int(value), _MOST_EVENTS)


def _positive(value: str | None) -> int:
    return max(_integer(value), 1)


def _number(value: str | None) -> float:
    if value is None or not re.fullmatch(r"[0-9]{1,8}(\.[0-9]{1,6})?", value):
        raise ValueError
    return float(value)


def _seconds(value: str | None) -> float:
    return min(_number(value), _MOST_SECONDS)


def _whole_seconds(value: str | None) -> int:
    return min(_integer(value), int(_MOST_SECONDS))


def _rate(value: str | None) -> float:
    low, high = _RATES
    return min(max(_number(value), low), high)


def _kilobytes(value: str | None) -> int:
    return min(_positive(value), _MOST_KILOBYTES)


def _integers(value: str | None) -> tuple[int, ...]:
    return tuple(_integer(part) for part in (value or "").split(","))


def _pauses(value: str | None) -> tuple[Pause, ...]:
    pairs = (part.partition(":") for part in (value or "").split(","))
    return tuple(sorted(Pause(_integer(after), _seconds(length)) for after, _, length in pairs))


def _html(value: str | None) -> bool:
    if value != "html":
        raise ValueError
    return True


class Knob(NamedTuple):
    """One knob: its name, the field it sets, how its value is read and written, what it does."""

    name: str
    field: str
    read: Callable[[str | None], Any]
    form: str
    does: str


KNOBS = (
    Knob("cut", "cut", _integers, "#cut=N[,M…]", "cuts the connection after event N, once"),
    Knob("reset", "reset", _integers, "#reset=N[,M…]", "the same with a TCP reset"),
    Knob("eof", "eof", _integers, "#eof=N[,M…]", "ends the body cleanly after event N, once"),
    Knob("stall", "stall", _pauses, "#stall=N:S", "after event N only keepalives for S seconds"),
    Knob("silence", "silence", _pauses, "#silence=N:S", "after event N no byte for S seconds"),
    Knob("slow", "slow", _seconds, "#slow=S", "the first event comes S seconds later"),
    Knob("429", "limited", _whole_seconds, "#429=S", "first 429 with Retry-After: S"),
    Knob("503", "unavailable", _whole_seconds, "#503=S", "first 503 with Retry-After: S"),
    Knob("type", "html", _html, "#type=html", "status 200 and an HTML page, no stream"),
    Knob("json", "json", _flag, "#json", "status 200 and one JSON answer, no stream"),
    Knob("error", "error", _integer, "#error=N", "the API's own error after event N"),
    Knob("length", "length", _positive, "#length=N", "ends at the token limit after event N"),
    Knob("refuse", "refuse", _flag, "#refuse", "the answer is a refusal"),
    Knob("rate", "rate", _rate, "#rate=R", "R events a second"),
    Knob("long", "kilobytes", _kilobytes, "#long=N", "an answer of about N kilobytes, up to 1000"),
    Knob("plain", "plain", _flag, "#plain", "a provider without ids: it cannot resume"),
    Knob("sparse", "sparse", _positive, "#sparse=K", "an id on every Kth event only"),
    Knob("hostile", "hostile", _flag, "#hostile", "an answer full of terminal escapes and markup"),
)
_BY_NAME = {knob.name: knob for knob in KNOBS}


def read(prompt: str) -> tuple[str, Faults]:
    """The prompt without its knobs, on one line, and what they ask for.

    A word that is no knob, or whose value does not read, is ordinary text. Of one knob given twice
    the last counts.
    """
    rest: list[str] = []
    found: dict[str, Any] = {}
    words: list[str] = []
    for word in prompt.split():
        try:
            field, value = _knob(word)
        except (KeyError, ValueError):
            rest.append(word)
        else:
            found[field] = value
            words.append(word)
    return " ".join(rest), Faults(**found, words=tuple(words))


def _knob(word: str) -> tuple[str, Any]:
    match = _WORD.fullmatch(word)
    if match is None:
        raise ValueError
    knob = _BY_NAME[match[1]]
    return knob.field, knob.read(match[2])
