"""Reading the TOML that people write: every fault is a warning with a place, none an exception.

A `Table` is asked for each key that it may have; `finish` then reports the keys nobody asked for.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec

MAX_BYTES = 262_144
MAX_LINE = 8_192
"""In characters. tomllib takes quadratic time over a key of many parts, so lines are capped."""
MAX_WARNINGS = 100
"""For one file; more would help nobody."""

_KEY_PART = r"""(?:"[^"\n]*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = rf"{_KEY_PART}(?:[ \t]*\.[ \t]*{_KEY_PART})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_KEY})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_KEY})[ \t]*=")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a table",
}

KeyPath = tuple[str, ...]


class ConfigWarning(msgspec.Struct, frozen=True):
    """What is wrong in a file, where, and what happens instead.

    `key` is a path such as `profiles.work.timeouts.idle`, "" for the file as a whole; `instead` is
    a clause. `line` and `column` count from 1. Values that may hold secrets are never quoted.
    """

    file: str
    key: str
    expected: str
    instead: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}expected {self.expected}; {self.instead}"


class Report:
    """The warnings about one file, and where its keys stand."""

    def __init__(self, file: Path, lines: dict[KeyPath, int]) -> None:
        self.file = file
        self.warnings: list[ConfigWarning] = []
        self.readable = True
        self._lines = lines

    @property
    def full(self) -> bool:
        return len(self.warnings) >= MAX_WARNINGS

    def add(self, path: KeyPath, expected: str, instead: str) -> None:
        if self.full:
            return
        line = next((self._lines[p] for p in _prefixes(path) if p in self._lines), None)
        self.warnings.append(
            ConfigWarning(str(self.file), dotted(path), expected, instead, line=line)
        )

    def unreadable(self, expected: str, line: int | None = None, column: int | None = None) -> None:
        self.readable = False
        self.warnings.append(
            ConfigWarning(
                str(self.file), "", expected, "nothing in this file is used", line, column
            )
        )


class Table:
    """One table of a file. `take` and its like record which keys are known."""

    def __init__(self, data: dict[str, object], report: Report, path: KeyPath = ()) -> None:
        self.report = report
        self.path = path
        self._data = data
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def warn(self, key: str, expected: str, instead: str) -> None:
        self.report.add((*self.path, key), expected, instead)

    def text(self, key: str, default: str = "") -> str:
        value = self._take(key, default, (str,), "a string")
        return value if isinstance(value, str) else default

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key, default, (bool,), "true or false")
        return value if isinstance(value, bool) else default

    def number(self, key: str, default: float, low: float, high: float, unit: str) -> float:
        """A whole or broken number from `low` to `high`, both included."""
        wanted = f"{unit} from {low:g} to {high:g}"
        value = self._take(key, default, (int, float), wanted)
        if isinstance(value, int | float) and low <= value <= high:
            return value
        self.warn(key, wanted, f"using {default:g}")
        return default

    def choice(self, key: str, default: str, allowed: Sequence[str]) -> str:
        value = self.text(key, default)
        if value in allowed:
            return value
        self.warn(key, f"{one_of(allowed)}{hint(value, allowed)}", f'using "{default}"')
        return default

    def list(self, key: str, default: list[object]) -> list[object]:
        value = self._take(key, default, (list,), "a list")
        return value if isinstance(value, list) else default

    def table(self, key: str) -> Table:
        """The table under `key`; an empty one if there is none."""
        value = self._take(key, {}, (dict,), "a table", "it is ignored")
        data = value if isinstance(value, dict) else {}
        return Table(data, self.report, (*self.path, key))

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Every table in this one, under names that the user chose."""
        for name in self._data:
            table = self.table(name)
            if isinstance(self._data[name], dict):
                yield name, table

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every string in this table, under names that the user chose."""
        for name in self._data:
            value = self._take(name, None, (str,), "a string", "it is ignored")
            if isinstance(value, str):
                yield name, value

    def values(self) -> dict[str, object]:
        """All that is in this table, as it stands."""
        return self._data

    def finish(self) -> None:
        """Report the keys that were never asked for."""
        for key in self._data:
            if key not in self._known and not self.report.full:
                self.warn(key, f"a known key{hint(key, self._known)}", "it is ignored")

    def _take(
        self, key: str, default: object, types: tuple[type, ...], wanted: str, instead: str = ""
    ) -> object:
        self._known.append(key)
        value = self._data.get(key, default)
        if value is default or type(value) in types:
            return value
        found = _TYPES.get(type(value), "a date or time")
        self.warn(key, f"{wanted}, found {found}", instead or f"using {_short(default)}")
        return default


def read(file: Path, limit: int = MAX_BYTES) -> Table:
    """The file's root table; empty, with `report.readable` False, if it is no TOML of ours.

    A file that does not exist is an empty one.
    """
    try:
        text = _decode(file, limit)
    except (OSError, ValueError) as error:
        report = Report(file, {})
        report.unreadable(_reason(error))
        return Table({}, report)
    report = Report(file, key_lines(text))
    try:
        return Table(tomllib.loads(text), report)
    except (ValueError, RecursionError) as error:
        _report_syntax(report, str(error), text)
        return Table({}, report)


def _report_syntax(report: Report, message: str, text: str) -> None:
    """Move the place from tomllib's message to where it belongs."""
    match = _PLACE.search(message)
    if match and match[1]:
        line, column = int(match[1]), int(match[2])
    else:
        line, column = text.rstrip().count("\n") + 1, None
    report.unreadable(f"valid TOML ({_PLACE.sub('', message)})", line, column)


def line_of(file: Path, path: KeyPath) -> int | None:
    """The line, from 1, on which a key stands, if the file can be read and has it."""
    try:
        return key_lines(_decode(file, MAX_BYTES)).get(path)
    except (OSError, ValueError):
        return None


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, on which each table and key starts.

    A scan, not a parser: text inside a multi-line string may be taken for keys, and what stands in
    an inline table is found only as that table.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), 1):
        if match := _HEADER.match(line):
            table = _parts(match[1])
            lines.setdefault(table, number)
        elif match := _ASSIGNMENT.match(line):
            lines.setdefault(table + _parts(match[1]), number)
    return lines


def dotted(path: KeyPath) -> str:
    """A path as TOML would write it."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else repr(part) for part in path)


def hint(word: str, known: Sequence[str]) -> str:
    """`; did you mean "model"?`, or nothing."""
    near = get_close_matches(word[:64], known, n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""


def one_of(allowed: Sequence[str]) -> str:
    return f"one of {', '.join(allowed)}"


def _decode(file: Path, limit: int) -> str:
    """The file's text. Raises OSError, or ValueError with what was expected instead."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(mode) and str(file) != os.devnull:
        raise ValueError("a regular file")
    with file.open("rb") as stream:
        raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise ValueError(f"at most {limit:,} bytes")
    text = raw.decode("utf-8-sig")
    if any(len(line) > MAX_LINE for line in text.split("\n")):
        raise ValueError(f"lines of at most {MAX_LINE:,} characters")
    return text


def _reason(error: OSError | ValueError) -> str:
    match error:
        case UnicodeDecodeError():
            return f"UTF-8 text (byte {error.start} is none)"
        case OSError():
            return f"a readable file ({error.strerror or error})"
        case _:
            return str(error)


def _parts(key: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_KEY_PART, key))


def _prefixes(path: KeyPath) -> Iterator[KeyPath]:
    """`path` itself, then all that encloses it, nearest first."""
    return (path[:end] for end in range(len(path), 0, -1))


def _short(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case int() | float():
            return f"{default:g}"
        case _:
            return f'"{default}"' if default else "nothing"
