"""Loading what the first answer needs, before there is one."""

from __future__ import annotations

import gc
import time

_LANGUAGES = (
    *("python", "bash", "javascript", "json", "typescript"),
    *("rust", "go", "c", "html", "sql"),
)
_PAUSE = 0.02
"""s between two languages: loading one takes that long, and the event loop has its turn."""


def warm_up() -> None:
    """Markdown, and the lexers that answers use most. To be called in a thread."""
    from ssechat.tui.markdown import Document

    for language in _LANGUAGES:
        document = Document()
        document.feed(f"*a* `b`\n\n```{language}\nc\n```\n")
        document.finish()
        document.lines(80)
        time.sleep(_PAUSE)
    # What has been loaded stays: else each full collection, in the middle of a stream, walks it.
    gc.freeze()
