"""What is written of a stream when it ends, and how it is read back."""

from __future__ import annotations

from ssechat.core.deltas import EndState
from ssechat.core.errors import JournalProblem, Problem
from ssechat.core.reply import PartKind, Reply
from ssechat.core.resume import Settle
from ssechat.hub.live import Live
from ssechat.journal import LeaseLost, Outcome, StreamJournal


def outcome(live: Live, settle: Settle) -> Outcome:
    """The projection of an ended stream."""
    fold = live.fold
    reply = fold.reply
    return Outcome(
        state=settle.end,
        note=settle.note,
        model=reply.about.model,
        text=reply.answer,
        thinking=reply.thinking,
        thoughts=reply.thoughts,
        parts=reply.store(),
        media=reply.media(),
        tokens_in=reply.usage.input,
        tokens_out=fold.tokens,
        tokens_reasoning=reply.usage.reasoning,
        estimated=fold.estimated,
        ttfb_ms=_ms(fold.meter.ttfb()),
        ttft_ms=_ms(fold.meter.ttft()),
        tokens_per_second=fold.rate,
        thought_ms=_ms(_thought(reply)),
        resumes=fold.resumes,
        last_id=fold.last_id,
    )


async def settle_cut(journal: StreamJournal, live: Live, why: Problem) -> bool:
    """End a stream that cannot go on here, because of `why`; False if it is to be tried again."""
    live.problem = why
    settle = Settle(EndState.CUT, why.title)
    live.close(settle)
    try:
        await journal.settle(live.stream_id, outcome(live, settle))
    except LeaseLost:
        pass  # it is another's
    except JournalProblem as problem:
        live.unsaved = problem
        live.changed()
        return False
    live.unsaved = None
    live.ended.set()
    live.changed()
    return True


def _thought(reply: Reply) -> float | None:
    """Seconds spent thinking; None if nothing of it was shown."""
    spans = [
        (part.ended or part.began) - part.began
        for part in reply.parts
        if part.kind is PartKind.THINKING
    ]
    return sum(spans) if spans else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
