"""The relay's log: one JSON object a line on standard error; no prompts, no answers, no keys."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ssechat.hub import Live

log = logging.getLogger("ssechat.relay")


def set_up() -> None:
    """To be called once, by the process that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # of readers that were let go


def note(event: str, **facts: object) -> None:
    """Something happened. `facts` must not come from a prompt, an answer or a header of auth."""
    log.info(event, extra={"facts": facts})


def failed(what: str, error: Exception) -> None:
    """A fault of ours; of the error only what it is and where, for its words may quote anything."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    log.error("failed", extra={"facts": {"what": what, "error": type(error).__name__, "at": at}})


def ended(live: Live, events: int, size: int) -> None:
    note(
        "stream ended",
        stream=live.stream_id,
        upstream=live.profile.partition("/")[0],
        state=str(live.end),
        events=events,
        bytes=size,
        resumes=live.fold.resumes,
    )


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return msgspec.json.encode(line).decode()
