"""Markdown laid out for tests."""

from __future__ import annotations

from ssechat.tui.markdown import Document, Line
from ssechat.tui.markdown.spans import merge

TOLD = {"strong", "em", "strike", "code", "link", "image", "heading", "heading.sub"}


def settle(document: Document, width: int) -> list[Line]:
    """The lines when nothing is left to be done later."""
    document.lines(width)
    while document.pending:
        document.lines(width)
    return list(document.lines(width))


def settled(source: str, width: int) -> list[Line]:
    """The lines of a whole source."""
    document = Document()
    document.feed(source)
    document.finish()
    return settle(document, width)


def marked(line: Line, told: set[str] | None = None) -> str:
    """The line's text, where those of its styles that are told are written in: ‹em like this›."""
    kept = [
        span._replace(style=" ".join(s for s in span.style.split() if s in (told or TOLD)))
        for span in line
    ]
    return "".join(f"‹{style} {text}›" if style else text for text, style in merge(kept)).rstrip()
