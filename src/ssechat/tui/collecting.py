"""Short collections of garbage, however much there is to show.

A full collection looks at everything that lives: with megabytes of answers on the shelf it takes
longer than a few frames. What it has found alive will live on, so it is set aside, and the next one
looks at what is new. What is set aside and dies in a cycle is only found when all is looked at
again, and that is done while nothing streams.
"""

from __future__ import annotations

import gc
from typing import Any

_GROWN = 2
"""All is looked at again once so many times as much is set aside as after the last time."""
_LEAST = 200_000  # objects; fewer are not worth the pause


class Collecting:
    """For the process as a whole; begins at once."""

    def __init__(self) -> None:
        self._after = _LEAST
        gc.callbacks.append(self._collected)

    def idle(self) -> None:
        """Nothing streams: look at everything, if there may be something to find."""
        if gc.get_freeze_count() > _GROWN * self._after:
            gc.unfreeze()
            gc.collect()
            self._after = max(_LEAST, gc.get_freeze_count())

    def close(self) -> None:
        gc.callbacks.remove(self._collected)

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()
