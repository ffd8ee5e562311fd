"""The transcript's own words: headers, durations, seams."""

from __future__ import annotations

from datetime import datetime

from ssechat.core.blob import TOO_MANY, Blob
from ssechat.core.deltas import MediaKind
from ssechat.core.media import size_text
from ssechat.core.reply import Mended, Part, PartKind, Seam
from ssechat.core.safe import clean_line
from ssechat.tui.markdown import Line, Span
from ssechat.tui.transcript.page import NoteItem, ReplyItem, UserItem

LABEL = 80
"""The longest model or tool name that is shown, in characters."""
_ADDRESS = 400
SOURCES: Line = (Span("sources", "muted"),)


def clock(wall: float, *, seconds: bool = False) -> str:
    """The local time of day."""
    try:
        return datetime.fromtimestamp(wall).strftime("%H:%M:%S" if seconds else "%H:%M")
    except (OverflowError, OSError, ValueError):
        return "--:--"


def duration(seconds: float) -> str:
    """Like "6.1 s" or "1 min 12 s"."""
    tenths = round(max(0.0, seconds), 1)
    if tenths < 60:
        return f"{tenths:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def user_header(item: UserItem) -> list[Span]:
    return [Span(" you", "user"), Span(f"  {clock(item.wall)}", "muted")]


def reply_header(item: ReplyItem) -> list[Span]:
    """Like " claude-…  14:02  attempt 2/3  cut: the note"; nothing of the state if complete."""
    spans = [Span(f" {clean_line(item.label, LABEL)}", "model")]
    if item.wall:
        spans.append(Span(f"  {clock(item.wall)}", "muted"))
    if item.attempt[1] > 1:
        spans.append(Span(f"  attempt {item.attempt[0]}/{item.attempt[1]}", "muted"))
    state = "" if item.state in ("live", "complete") else clean_line(item.state, LABEL)
    note = clean_line(item.note, 400)
    if state:
        spans.append(Span(f"  {state}", _tone(item)))
    if note:
        spans.append(Span(f": {note}" if state else f"  {note}", "muted"))
    return spans


def _tone(item: ReplyItem) -> str:
    return "muted" if item.live else "error" if item.state == "failed" else "warning"


def note_mark(item: NoteItem) -> Span:
    tone = item.tone if item.tone in ("success", "warning", "error") else "muted"
    return Span({"success": " ✓ ", "warning": " ! ", "error": " ✗ "}.get(tone, " · "), tone)


def thinking_header(part: Part, *, opened: bool, live: bool, now: float, tokens: str) -> list[Span]:
    """Like "▸ thought for 6.1 s · ~412 tokens", or while it lasts "▾ thinking … 3.2 s"."""
    mark = "▾" if opened else "▸"
    if live:
        return [Span(f"{mark} thinking … {duration(now - part.began)}", "thinking.head")]
    spent = 0.0 if part.ended is None else part.ended - part.began
    lasted = f" for {duration(spent)}" if spent > 0 else ""
    return [Span(f"{mark} thought{lasted} · {tokens}", "thinking.head")]


def tool_header(part: Part) -> list[Span]:
    name = clean_line(part.name, LABEL) or "…"
    return [Span("⚙ asks for tool ", "tool.head"), Span(name, "tool.name")]


def media(part: Part, blob: Blob) -> list[Span]:
    """Like "▣ image · PNG 1024×768 · 24 KB", or while it comes "▣ image · arriving … 12 KB"."""
    if blob.refused == TOO_MANY:
        return [Span("▣ more images or audio than can be kept", "warning")]
    name = Span(media_label(part, blob))
    if blob.refused:
        return [name, Span(f" · {blob.refused} to be kept", "warning")]
    if not blob.size:
        where = clean_line(part.text, _ADDRESS)
        return [name, Span(f" at {where} (not fetched)" if where else " · nothing came", "muted")]
    if not part.arrived:
        return [name, Span(f" · arriving … {size_text(blob.size)}", "muted")]
    return [name, Span(f" · {media_facts(blob)}", "muted")]


def media_label(part: Part, blob: Blob) -> str:
    """Either "▣ image" or "♪ audio": by the content, if we know it."""
    kind = blob.type.kind or part.kind
    return "♪ audio" if kind in (MediaKind.AUDIO, PartKind.AUDIO) else "▣ image"


def media_facts(blob: Blob) -> str:
    """Like "PNG 1024×768 · 24 KB" or "WAV · 3.2 s · 120 KB"."""
    joint = " · " if blob.type.kind is MediaKind.AUDIO else " "
    told = joint.join(filter(None, (blob.type.name, clean_line(blob.detail, LABEL))))
    return f"{told} · {size_text(blob.size)}"


def seam(mark: Seam, *, live: bool) -> Line:
    """What happened to the connection here."""
    lost = f"connection lost {clock(mark.wall, seconds=True)}"
    missing = clean_line(mark.missing, 120)
    if mark.how == Mended.CONTINUED:
        text = f"{clock(mark.wall, seconds=True)} · goes on by a new request ({mark.why})"
    elif mark.how == Mended.RESTATED:
        text = f"{clock(mark.wall, seconds=True)} · put right from the server's final answer"
    elif mark.after is None:
        text = f"{lost} · reconnecting" if live else lost
    elif mark.after == 0 and missing:
        text = f"{clock(mark.wall, seconds=True)} · missing: {missing}"
    else:
        rest = f"missing: {missing}" if missing else "nothing missing"
        how = "rest fetched" if mark.how == Mended.FETCHED else "resumed"
        text = f"{lost} · {how} after {duration(mark.after)}, {rest}"
    return (Span(f"┄┄ {text} ┄┄", "warning" if missing else "seam"),)


def count(tokens: int, *, estimated: bool) -> str:
    """Like "~1,024 tokens"."""
    return f"{'~' if estimated else ''}{tokens:,} token{'s' if tokens != 1 else ''}"
