"""Text into pieces of about four characters, as a model's tokens would come."""

from __future__ import annotations

import re

_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_PIECE = re.compile(
    rf"[{_CONTROL}]"  # alone, so that an escape sequence arrives in two pieces
    r"|\n+[ ]*"
    rf"|[{_WIDE}]{{1,2}}"
    r"|[ ]?[A-Za-z]{1,7}"
    r"|[ ]?[0-9]{1,3}"
    rf"|[ ]?[^\sA-Za-z0-9{_CONTROL}{_WIDE}]{{1,3}}"
    r"|[ \t]+"
    r"|.",
    re.DOTALL,
)


def pieces(text: str) -> list[str]:
    """The pieces of `text`, in order; joined they are `text` again."""
    return _PIECE.findall(text)
