"""What the name of a Claude model tells.

Source: platform.claude.com/docs/en/build-with-claude/streaming, "Error recovery".
"""

from __future__ import annotations

import re

LAST_PREFILL = (4, 5)
"""The last version that goes on from an assistant message; later ones refuse it."""

_VERSION = re.compile(r"(?:^|[./])claude(?:-[a-z]+)*-v?(\d{1,2})(?:[-.:](\d{1,2}))?(?!\d)")
"""`claude-3-5-sonnet-20241022`, `us.anthropic.claude-v2:1`, `anthropic/claude-sonnet-4.5` …"""


def takes_prefill(model: str) -> bool:
    """Whether `model` names a Claude that takes a prefill. An unknown name: no."""
    found = _VERSION.search(model.lower())
    return found is not None and (int(found[1]), int(found[2] or 0)) <= LAST_PREFILL
