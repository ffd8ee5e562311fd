"""The journal: an append-only log of frames, and the conversations that are folded from it."""

from ssechat.journal.contract import StreamJournal
from ssechat.journal.journal import Journal
from ssechat.journal.lease import Lease
from ssechat.journal.problems import (
    Damaged,
    DiskFull,
    LeaseLost,
    Locked,
    NotFound,
    ReadOnly,
    TooNew,
)
from ssechat.journal.records import (
    LIVE,
    STOPPING,
    UNFINISHED,
    Begun,
    ConversationRow,
    MessageRow,
    NewStream,
    Outcome,
    StreamRow,
    TabRow,
)

__all__ = [
    "LIVE",
    "STOPPING",
    "UNFINISHED",
    "Begun",
    "ConversationRow",
    "Damaged",
    "DiskFull",
    "Journal",
    "Lease",
    "LeaseLost",
    "Locked",
    "MessageRow",
    "NewStream",
    "NotFound",
    "Outcome",
    "ReadOnly",
    "StreamJournal",
    "StreamRow",
    "TabRow",
    "TooNew",
]
