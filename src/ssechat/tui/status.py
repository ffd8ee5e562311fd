"""What the status bar and the tab strip say of an answer: words and figures, no widgets."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from ssechat.core.deltas import EndState
from ssechat.core.reply import PartKind
from ssechat.core.resume import KEPT, Rung, State
from ssechat.core.safe import clean_line
from ssechat.hub import Live
from ssechat.journal import MessageRow

_BARS = "▁▂▃▄▅▆▇█"
_ID_TAIL = 8  # characters of an event id that are shown


class Tone(StrEnum):
    """What a colour stands for."""

    PLAIN = "plain"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"


class Piece(NamedTuple):
    """A word or figure. Where space is short the greatest `rank` goes first."""

    text: str
    tone: Tone = Tone.PLAIN
    rank: int = 0


class TabLabel(NamedTuple):
    """`title` is clean text; `badge` says how its stream is doing, if it has one."""

    title: str
    badge: Piece | None = None
    unread: bool = False


_ENDS = {
    EndState.COMPLETE: Tone.GOOD,
    EndState.LENGTH: Tone.WARN,
    EndState.REFUSED: Tone.WARN,
    EndState.STOPPED: Tone.WARN,
    EndState.CUT: Tone.WARN,
    EndState.FAILED: Tone.BAD,
    EndState.EXPIRED: Tone.BAD,
}


_BADGES = {
    EndState.COMPLETE: "✓",
    EndState.STOPPED: "■",
    EndState.LENGTH: "!",
    EndState.REFUSED: "!",
}


def state_of(live: Live, now: float | None = None) -> Piece:
    """The state in the words of the design: `live`, `thinking`, `reconnecting (3 s)`, `cut` …"""
    now = time.monotonic() if now is None else now
    if live.outcome is not None:
        return end_of(
            live.outcome.end, live.outcome.note, usable(live.rung, live.fold.reply.answer)
        )
    match live.machine.state:
        case State.SUBMITTING | State.WAITING if not live.followed:
            return Piece("waiting", Tone.BUSY)
        case State.STALLED:
            quiet = now - (live.fold.meter.last_token or now)
            return Piece(f"stalled {quiet:.0f} s", Tone.WARN)
        case State.BACKOFF:
            left = max(0.0, (live.due or now) - now)
            return Piece(f"reconnecting ({left:.0f} s)", Tone.WARN)
        case State.RESUMING | State.REPLAYING:
            return Piece("resuming", Tone.WARN)
        case State.POLLING:
            return Piece("polling", Tone.WARN)
        case State.CANCELLING:
            return Piece("stopping", Tone.WARN)
    last = live.fold.reply.last
    thinking = last is not None and last.kind is PartKind.THINKING
    return Piece("thinking" if thinking else "live", Tone.BUSY)


def end_of(state: str, note: str, rung: Rung | None = None) -> Piece:
    """An ended answer. What failed says why at once, what was cut whether and how it can go on."""
    try:
        end = EndState(state)
    except ValueError:
        return Piece(state, Tone.BUSY)
    word = str(end)
    if end is EndState.FAILED and note:
        word = f"failed: {clean_line(note, 60)}"
    elif end is EndState.CUT and rung is not None:
        word = f"cut ({_way_on(rung)})"
    elif end is EndState.EXPIRED and rung is Rung.CONTINUE:
        word = "expired (F6 continues)"
    return Piece(word, _ENDS[end])


def usable(rung: Rung, answer: str) -> Rung:
    """The rung, if F6 can use it: a new request goes on from something only."""
    return Rung.NONE if rung is Rung.CONTINUE and not answer.strip() else rung


def _way_on(rung: Rung) -> str:
    if rung in KEPT:
        return "F6 resumes"
    return "F6 continues" if rung is Rung.CONTINUE else "cannot resume"


def live_pieces(live: Live, now: float | None = None) -> list[Piece]:
    """The bar of an answer that this process holds."""
    now = time.monotonic() if now is None else now
    fold = live.fold
    ended = live.outcome is not None
    rate = fold.rate if ended else fold.meter.rate(now)
    figures = _figures(
        ttfb=fold.meter.ttfb(now if not ended else None),
        rate=rate,
        bars="" if ended or rate is None else _spark(fold.meter.bars(now)),
        tokens=fold.tokens if fold.meter.pieces else None,
        estimated=fold.estimated,
        last_id=fold.last_id,
        rung=_rung(live),
        resumes=fold.resumes,
    )
    pieces = [state_of(live, now), Piece(clean_line(live.model, 24), rank=2), *figures]
    if why := _waits_for(live):
        pieces.insert(1, Piece(why, Tone.WARN, 3))
    if live.unsaved is not None:
        pieces.insert(1, Piece("not saved", Tone.BAD))
    if live.relayed and not ended:
        pieces.append(Piece("kept by the background relay", Tone.GOOD, 7))
    if live.followed:
        pieces.insert(1, Piece("in another window", Tone.WARN, 3))
    return pieces


def _waits_for(live: Live) -> str:
    """Why it waits to ask again, as far as the bar has room: a limit, an overload, a lost line."""
    waits = live.machine.state is State.BACKOFF and live.outcome is None
    return clean_line(live.machine.note, 40) if waits else ""


def _rung(live: Live) -> str:
    """The rung. That a cut would be one is known once the answer has begun, and stale after its
    end."""
    awaited = live.fold.meter.first_byte is None
    if live.rung not in KEPT and (awaited or live.outcome is not None):
        return ""
    return "none (no resume)" if live.rung is Rung.NONE else str(live.rung)


def row_pieces(row: MessageRow, rung: Rung | None = None) -> list[Piece]:
    """The bar of an answer from the journal."""
    figures = _figures(
        ttfb=None if row.ttfb_ms is None else row.ttfb_ms / 1000,
        rate=row.tokens_per_second,
        bars="",
        tokens=row.tokens_out,
        estimated=row.estimated,
        last_id=row.last_id,
        rung="",
        resumes=row.resumes,
    )
    state = end_of(row.state, row.note, rung)
    return [state, Piece(clean_line(row.model, 24), rank=2), *figures]


def _figures(
    *,
    ttfb: float | None,
    rate: float | None,
    bars: str,
    tokens: int | None,
    estimated: bool,
    last_id: str,
    rung: str,
    resumes: int,
) -> list[Piece]:
    about = "~" if estimated else ""
    pieces = []
    if ttfb is not None:
        pieces.append(Piece(f"TTFB {duration(ttfb)}", rank=1))
    if rate is not None:
        pieces.append(Piece(f"{about}{rate:.1f} tok/s", rank=1))
    if bars:
        pieces.append(Piece(bars, Tone.BUSY, 9))
    if tokens is not None:
        pieces.append(Piece(f"{about}{tokens:,} tok", rank=4))
    if last_id:
        before = "…" if len(last_id) > _ID_TAIL else ""
        pieces.append(Piece(f"id {before}{clean_line(last_id[-_ID_TAIL:])}", rank=6))
    if rung:
        pieces.append(Piece(rung, rank=5))
    if resumes:
        pieces.append(Piece(f"resumed ×{resumes}", Tone.GOOD, 3))
    return pieces


def duration(seconds: float) -> str:
    """`412 ms` or `12.3 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _spark(counts: list[int]) -> str:
    recent = counts[-4:]
    top = max(recent)
    if not top:
        return ""
    # A steady rate is drawn in the middle, so that a spurt can stand out.
    return "".join(_BARS[count * 5 // top] for count in recent)


def fit(pieces: list[Piece], width: int, gap: int = 2) -> list[Piece]:
    """As many pieces as `width` cells hold; those that matter least go first."""
    kept = list(pieces)
    while kept and sum(cell_len(p.text) for p in kept) + gap * (len(kept) - 1) > width:
        if len(kept) == 1:
            return [kept[0]._replace(text=set_cell_size(kept[0].text, max(0, width)))]
        worst = max(range(len(kept)), key=lambda n: (kept[n].rank, n))
        del kept[worst]
    return kept


def live_badge(live: Live, now: float | None = None) -> Piece:
    """The mark behind the title of a tab whose answer this process holds."""
    if live.outcome is not None:
        return _end_badge(live.outcome.end)
    if live.machine.state is State.BACKOFF:
        left = max(0.0, (live.due or 0.0) - (time.monotonic() if now is None else now))
        return Piece(f"⟳ {left:.0f} s", Tone.WARN)
    if live.machine.state in (State.RESUMING, State.REPLAYING, State.POLLING):
        return Piece("⟳", Tone.WARN)
    return Piece("●", state_of(live, now).tone)


def row_badge(row: MessageRow) -> Piece:
    """The same for an answer from the journal."""
    try:
        return _end_badge(EndState(row.state))
    except ValueError:
        return Piece("●", Tone.BUSY)


def _end_badge(end: EndState) -> Piece:
    return Piece(_BADGES.get(end, "✗"), _ENDS[end])
