"""Markdown for a terminal, while it is still being written. Knows nothing of screens.

`Document` brings the grammar along, and loading that takes a tenth of a start: whoever uses it
first waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssechat.tui.markdown.spans import Line, Span

if TYPE_CHECKING:
    from ssechat.tui.markdown.document import Document

__all__ = ["Document", "Line", "Span"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from ssechat.tui.markdown import document

    return getattr(document, name)
