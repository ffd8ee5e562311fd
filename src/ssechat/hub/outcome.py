"""What is written of a stream when it ends, and how it is read back."""

from __future__ import annotations

from ssechat.core.resume import Settle
from ssechat.hub.live import Live
from ssechat.journal import Outcome


def outcome(live: Live, settle: Settle) -> Outcome:
    """The projection of an ended stream."""
    fold = live.fold
    reply = fold.reply
    return Outcome(
        state=settle.end,
        note=settle.note,
        text=reply.answer,
        thinking=reply.thinking,
        thoughts=reply.thoughts,
        parts=reply.store(),
        tokens_in=reply.usage.input,
        tokens_out=fold.tokens,
        estimated=fold.estimated,
        ttfb_ms=_ms(fold.meter.ttfb()),
        ttft_ms=_ms(fold.meter.ttft()),
        tokens_per_second=fold.rate,
        resumes=fold.resumes,
        last_id=fold.last_id,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
