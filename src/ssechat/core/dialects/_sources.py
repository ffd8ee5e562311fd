"""What an answer names as its sources."""

from __future__ import annotations

from ssechat.core.deltas import Citation
from ssechat.core.dialects._text import brief

MAX_ADDRESS = 4096
MAX_TITLE = 200
MAX_QUOTE = 500


def citations(title: str, address: str, quote: str = "") -> list[Citation]:
    """The one citation that these make, cleaned and bounded; none if nothing is left of them."""
    cited = Citation(brief(title, MAX_TITLE), web_address(address), brief(quote, MAX_QUOTE))
    return [] if cited == Citation() else [cited]


def web_address(text: str) -> str:
    """`text` if it is an http or https URL that can be shown as it is, else ""."""
    shown = len(text) <= MAX_ADDRESS and text.isprintable() and " " not in text
    return text if shown and text.lower().startswith(("https://", "http://")) else ""
