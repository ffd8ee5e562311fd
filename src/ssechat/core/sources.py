"""The sources that an answer names, as a numbered list."""

from __future__ import annotations

from ssechat.core.deltas import Citation
from ssechat.core.dialects._sources import MAX_QUOTE, MAX_TITLE, web_address
from ssechat.core.safe import clean_line

MOST = 100


class Sources:
    """Numbers what is cited, each source once, up to `MOST`."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def line(self, cited: Citation) -> str:
        """`[1] title — url`; "" for a source that is listed already, is one too many or empty."""
        title, url = clean_line(cited.title, MAX_TITLE), web_address(cited.url)
        quote = clean_line(cited.quote, MAX_QUOTE)
        shown = " — ".join(filter(None, (title, url))) or (f"“{quote}”" if quote else "")
        key = url or shown
        if not shown or key in self._seen or len(self._seen) >= MOST:
            return ""
        self._seen.add(key)
        return f"[{len(self._seen)}] {shown}"
