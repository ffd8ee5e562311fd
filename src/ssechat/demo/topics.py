"""The prepared texts: one Markdown file each in `answers/`, thinking and answer."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ssechat.demo.pieces import pieces

SUBJECTS = (
    "knobs",
    "nginx",
    "sse",
    "rust",
    "python",
    "compare",
    "fourier",
    "markdown",
    "welcome",
)
"""Found by words of the prompt; the first that matches wins."""
FOLLOW_UPS = ("exactly-once", "truthful-ends", "measuring")
"""For later turns that match nothing new."""
_HEAD = re.compile(r"(\w+): (.*)")

# Stand-ins, so that no source file holds an escape sequence.
_PAYLOADS = {
    "ESC": "\x1b",
    "BEL": "\x07",
    "BS": "\x08",
    "CR": "\r",
    "FF": "\x0c",
    "VT": "\x0b",
    "NUL": "\x00",
    "DEL": "\x7f",
    "CSI": "\x9b",
    "OSC": "\x9d",
    "ST": "\x9c",
    "RLO": "\u202e",
    "PDF": "\u202c",
    "RLI": "\u2067",
    "PDI": "\u2069",
    "ZWSP": "\u200b",
    "TAGS": "\U000e0068\U000e0069",
    "ZALGO": "\u0300\u0301\u0302\u0303\u0304\u0305" * 10,
}


class Topic(NamedTuple):
    """One prepared text. `sample` is a prompt that leads to it, or ""."""

    name: str
    title: str
    match: re.Pattern[str] | None
    sample: str
    thinking: tuple[str, ...]
    answer: tuple[str, ...]

    def fits(self, prompt: str) -> bool:
        return self.match is not None and self.match.search(prompt) is not None


@cache
def topic(name: str) -> Topic:
    """The text called `name`, in pieces. Only names of this module ever get here."""
    source = (files(__package__) / "answers" / f"{name}.md").read_text(encoding="utf-8")
    head, rest = source.split("== thinking ==\n", 1)
    thinking, answer = rest.split("== answer ==\n", 1)
    fields = dict(_HEAD.findall(head))
    if name == "hostile":
        thinking, answer = _armed(thinking), _armed(answer)
    match = re.compile(fields["match"], re.IGNORECASE) if "match" in fields else None
    return Topic(
        name,
        fields["title"],
        match,
        fields.get("try", ""),
        tuple(pieces(thinking.strip())),
        tuple(pieces(answer.strip())),
    )


def _armed(text: str) -> str:
    return re.sub(r"\{([A-Z]+)\}", lambda found: _PAYLOADS[found[1]], text)
