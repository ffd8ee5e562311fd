"""How often, how long: the resume machine's numbers. Times in seconds."""

from __future__ import annotations

MAX_TRIES = 8
MAX_CONNECT_TRIES = 3
GIVE_UP_AFTER = 900.0  # s without a new frame
MAX_FLOOR = 120.0  # s; the longest `retry:` that is heeded
MAX_ASKED = 900.0  # s; a server that asks for a longer wait is told of instead
PATIENCE = 2  # tries without progress until the final object is looked at, if there is one
BACKOFF_BASE = 0.5  # s
BACKOFF_CAP = 30.0  # s
FIRST_TRY = 0.25  # s; the spread before the first try after a healthy stream
STOP_WAIT = 10.0  # s that a stop waits for the server to name the answer
POLL_FIRST = 2.0  # s
POLL_CAP = 15.0  # s
POLL_FOR = 3600.0  # s that a server may go on saying that it still works on the answer
LINGER = 1.0  # s for usage and an end mark after the verdict
REST = 3.0  # s for the same, where the connection was lost before it came
DOUBT = 5.0  # s for more, where the verdict came with text: some servers name one in every event
STALL_AFTER = 10.0  # s without payload until it is shown

BUSY = frozenset({429, 503, 529})
"""Refusals that say `later`: no generation was started, so even a POST may be sent again."""
TRANSIENT = BUSY | {408, 425, 500, 502, 504}
"""Refusals of a resume that may pass."""
UNSTREAMED = frozenset({None, 204, 400, 405, 501})
"""Answers to a resume by a server that has the answer, but no stream of it (any more)."""
TOO_MUCH = frozenset({400, 422})
"""Refusals for what a request asks for: a humbler one may be taken. No generation was started."""
