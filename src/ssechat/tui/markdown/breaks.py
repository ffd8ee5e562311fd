"""Where lines may break, for characters that have one cell or two whatever stands beside them."""

from __future__ import annotations

import re

CJK = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f"
    "\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
    "\U00020000-\U0003fffd"
)
"""Lines may break before and after each of these."""
CLOSING = (  # closing marks, small kana, and what belongs to the character before it
    r",.:;?!)\]}%…’”»°′″‰℃‼⁇⁈⁉‐–〜～·・"
    r"、。，．：；？！）］｝｠｣､｡･％〉》」』】〕〗〙〛〞〟‥"
    r"ー々〻ヽヾゝゞ゛゜ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰ-ㇿ"
)
OPENING = frozenset("([{‘“«「『（［｛｟｢〈《【〔〖〘〚〝$£¥＄￡￥")

_ONE = (
    " -~\xa0-\xac\xae-\u02ff\u0370-\u0377\u0391-\u03a1\u03a3-\u0482\u048a-\u052f\u2010-\u2027"
    "\u2030-\u205e\u20a0-\u20bf\u2190-\u2319\u2500-\u25fc\uff61-\uff9f"
)
_TWO = (
    "\u2e80-\u2e99\u2f00-\u2fd5\u3000-\u3029\u3030-\u303e\u3041-\u3096\u309b-\u30ff\u3105-\u312f"
    "\u3131-\u3163\u3190-\u31e3\u31f0-\u321e\u3220-\u3247\u3250-\u4dbf\u4e00-\ua48c\uac00-\ud7a3"
    "\uf900-\ufaff\uff01-\uff60\uffe0-\uffe6\U00020000-\U0002fffd\U00030000-\U0003fffd"
    "\U0001f300-\U0001f320\U0001f400-\U0001f43e\U0001f442-\U0001f4fc\U0001f600-\U0001f64f"
)
EVEN = _ONE + _TWO
"""Characters whose width depends on nothing but themselves."""
_ODD = re.compile(f"[^{EVEN}]")
_NARROW = re.compile(f"[{_ONE}]+")
_BROAD = re.compile(f"[{_TWO}]+")
_CJK = re.compile(f"[{CJK}]")
_CLOSING = re.compile(f"[{CLOSING}]")


def even(text: str) -> bool:
    """Whether each character is of `EVEN`."""
    return _ODD.search(text) is None


def even_cells(text: str) -> int:
    """The width of such a text."""
    return len(text) if text.isascii() else len(text) + len(_NARROW.sub("", text))


def reach(text: str, start: int, room: int) -> int:
    """How far such a text fits into so many cells, from `start` on."""
    stop = start
    while room > 0 and stop < len(text):
        if run := _NARROW.match(text, stop, stop + room):
            room -= run.end() - stop
        elif run := _BROAD.match(text, stop, stop + room // 2):
            room -= 2 * (run.end() - stop)
        else:
            break  # for a wide character there is one cell
        stop = run.end()
    return stop


def may_break(text: str, at: int) -> bool:
    """Whether a line of such a text may end before the character `at`, by what it shows: closing
    marks at its beginning may come after a CJK character."""
    before, after = text[at - 1], text[at]
    if " " in (before, after):
        return True
    if _CLOSING.match(after) or before in OPENING:
        return False
    if _CJK.match(after):
        return True
    while at > 0 and not _CJK.match(text, at - 1):
        at -= 1
        if not _CLOSING.match(text, at):
            return False
    return at > 0


def first_break(text: str, start: int) -> int:
    """The first place after `start` where a line may end; the end of the text if there is none."""
    if text.isascii():
        stop = text.find(" ", start + 1)
        return len(text) if stop < 0 else stop
    at = start + 1
    while at < len(text) and not may_break(text, at):
        at += 1
    return at


def last_break(text: str, start: int, stop: int) -> int:
    """The last place from `stop` backwards; `start` if there is none after it."""
    if text.isascii():
        return max(start, text.rfind(" ", start, stop + 1))
    while stop > start and not may_break(text, stop):
        stop -= 1
    return stop
