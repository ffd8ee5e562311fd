"""Markdown for a terminal, while it is still being written. Knows nothing of screens."""

from ssechat.tui.markdown.document import Document, plain
from ssechat.tui.markdown.spans import Line, Span

__all__ = ["Document", "Line", "Span", "plain"]
