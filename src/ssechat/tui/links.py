"""Links on their way out: what they really lead to, and to the browser if the user says so.

A target is shown, copied and opened in the same form: ASCII alone, a host of other letters as
`xn--…`, so that what only looks like a known name does not.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from ssechat.core.errors import Problem
from ssechat.core.reply import Part, PartKind
from ssechat.core.safe import clean, clean_line
from ssechat.tui.markdown import Line
from ssechat.tui.transcript.page import Item, ReplyItem, UserItem
from ssechat.tui.transcript.reading import Allowance, Reading

LONGEST = 4000
"""A longer target is not opened, in characters."""
_LABEL = 200
_WIDE = 20_000  # cells; no target is broken over two lines then
_SLICE = 0.004  # s of reading in a row
_GLANCE = 3.0  # s in which it may turn out that there is no browser

_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s<>\"`│␀-␡\ufffd]+", re.IGNORECASE)
_OTHER = re.compile(r"[a-z][a-z0-9+.-]+:\S+", re.IGNORECASE)
_TRAILING = re.compile(r"[*.,:;!?'’”»)\]}、。，）」]+\Z")
_WEB = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"[a-z0-9._-]+")  # some letters become others when a name is looked up: "a/c"
_NUMBERS = re.compile(r"\[[0-9a-f:.]+\]")
_AUTHORITY = re.compile(rf"(?:.*@)?(?:{_NAME.pattern}|{_NUMBERS.pattern})(?::\d{{0,5}})?")
_FIELD = r"(?:subject|body|cc|bcc)=[^&]*"  # others have been used to attach files
_MAIL = re.compile(rf"mailto:[^?&#@]+@[a-z0-9.-]+(?:\?{_FIELD}(?:&{_FIELD})*)?", re.IGNORECASE)
_KEPT = "%/:?#[]@!$&'()*+,;=~-._"
_DISPUTED = frozenset("ßς\u200c\u200d")
"""Browsers look up a host with one of these under another name than Python would."""
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


class Link(NamedTuple):
    """Where a link leads: `target` in full, and to whom (`host`, "" if that cannot be told).
    `opens`: it is one that a browser or mail program may be given. `label` is its clean text."""

    target: str
    host: str
    opens: bool
    label: str = ""


def link(address: str, label: str = "") -> Link:
    """The link to an address as somebody wrote it."""
    label = clean_line(label, _LABEL)
    if web := _WEB.fullmatch(address):
        scheme, authority, path = web.groups()
        user, at, host = authority.rpartition("@")
        name, colon, port = host.rpartition(":") if re.search(r":\d*\Z", host) else (host, "", "")
        authority = f"{_ascii(user)}{at}{_ascii_host(name)}{colon}{port}"
        target = f"{scheme.lower()}://{authority}{_ascii(path)}"
        return Link(target, _ascii_host(name), _AUTHORITY.fullmatch(authority) is not None, label)
    scheme, colon, rest = address.partition(":")
    if colon and scheme.lower() == "mailto":
        to, mark, fields = rest.partition("?")
        user, at, host = to.rpartition("@")
        target = f"mailto:{_ascii(user)}{at}{_ascii_host(host)}{mark}{_ascii(fields)}"
        return Link(target, _ascii_host(host), _MAIL.fullmatch(target) is not None, label)
    return Link(_ascii(address), "", opens=False, label=label)


async def links(items: Iterable[Item]) -> list[Link]:
    """Those in the texts of some items, in their order, each target once. What is long is read a
    few milliseconds at a time."""
    found: dict[str, Link] = {}
    for item in items:
        if isinstance(item, UserItem):
            _take(found, _in_text(clean(item.text)))
        for part in item.reply.parts if isinstance(item, ReplyItem) else ():
            if part.kind is PartKind.TEXT:
                _take(found, await _in_markdown(part.text))
            elif part.kind is PartKind.SOURCES:
                _take(found, _in_sources(clean(part.text)))
    return list(found.values())


def _take(found: dict[str, Link], more: Iterable[Link]) -> None:
    for one in more:
        found.setdefault(one.target, one)


async def _in_markdown(text: str) -> list[Link]:
    part = Part(PartKind.TEXT, 0.0)
    part.add(text)
    from ssechat.tui.markdown import Document

    reading = Reading(part, Document)
    while True:
        reading.read(Allowance(_SLICE), done=True)
        lines = reading.document.lines(_WIDE)
        if not reading.pending:
            break
        await asyncio.sleep(0)
    found: list[Link] = []
    ends = time.monotonic()
    for line in lines:
        found += _in_line(line)
        if time.monotonic() > ends:
            await asyncio.sleep(0)
            ends = time.monotonic() + _SLICE
    return found


def _in_line(line: Line) -> Iterator[Link]:
    """The links of a line that was not broken: their text, and their target if that is another."""
    shown = ""
    for text, style in (*line, ("", "")):
        roles = style.split()
        if "link" in roles or "image" in roles:
            shown += text
            continue
        if "target" in roles:
            yield link(text.strip().removeprefix("<").removesuffix(">"), shown)
        else:
            yield from _as_shown(shown)
            yield from _in_text(text)
        shown = ""


def _as_shown(text: str) -> Iterator[Link]:
    """The address that a link has for its text; it may be one that is not opened."""
    if "@" in text and ":" not in text:
        text = f"mailto:{text}"
    if _OTHER.fullmatch(text) and not _ADDRESS.match(text):
        yield link(text)
    else:
        yield from _in_text(text)


def _in_text(text: str) -> Iterator[Link]:
    """The addresses that stand in a text."""
    for address in _ADDRESS.findall(text):
        yield link(_without_punctuation(address))


def _in_sources(text: str) -> Iterator[Link]:
    """The addresses in a list of sources, which are called by their titles."""
    for line in text.split("\n"):
        for address in _ADDRESS.finditer(line):
            yield link(address[0], line[: address.start()].strip(" —"))


def _without_punctuation(address: str) -> str:
    """Without what belongs to the sentence around it; a bracket that it opens is its own."""
    while True:
        shorter = _TRAILING.sub("", address)
        rest = address[len(shorter) :]
        if rest.startswith(")") and shorter.count("(") > shorter.count(")"):
            return f"{shorter})"
        if shorter == address:
            return address
        address = shorter


def _ascii(text: str) -> str:
    return quote(text, _KEPT, errors="replace")


def _ascii_host(host: str) -> str:
    """The host as it is looked up; what cannot be one holds characters that no host has."""
    try:
        name = "" if _DISPUTED & set(host) else host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    known = _NAME.fullmatch(name) or _NUMBERS.fullmatch(host.lower())
    return known[0] if known else quote(host, "", errors="replace")


def unseen() -> str:
    """Why a browser that is started here would not be seen; "" if it would."""
    if os.environ.get("SSH_CONNECTION"):
        return "over SSH a browser would open on the other machine"
    windows = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform != "darwin" and not any(map(os.environ.get, windows)):
        return "no window could be seen here"
    return ""


async def open_link(target: Link) -> None:
    """Hand it to the browser, and do not wait for that. Raises Problem."""
    if not target.opens or len(target.target) > LONGEST:
        raise Problem("this link is not opened", remedy="copy it instead")
    await asyncio.to_thread(_open, target.target)


def _open(target: str) -> None:
    # In a process of its own: a browser may wait, or write to the terminal that it finds.
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _OPEN, target],
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
        start_new_session=True,
    )
    try:
        code = process.wait(_GLANCE)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie
        return
    if code != 0:
        raise Problem("no browser could be started", remedy="ctrl+c in the list copies the link")
