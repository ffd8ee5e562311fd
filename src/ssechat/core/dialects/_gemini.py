"""What Google's two APIs share: the key, the list of models, sources told once."""

from __future__ import annotations

from typing import Any

from ssechat.core.conversation import Prompt, Role
from ssechat.core.deltas import Citation
from ssechat.core.dialects._bodies import usable
from ssechat.core.dialects._json import parse, sequence, string
from ssechat.core.dialects._sources import citations
from ssechat.core.dialects._text import mended

MODELS_PATH = "models?pageSize=1000"
"""Without the size, the list ends after 50."""

GO_ON = "the server wants to be asked to go on"
"""Why an answer ends at a checkpoint."""

_PREFIX = "models/"
_GENERATES = "generateContent"


def auth(key: str) -> dict[str, str]:
    return {"x-goog-api-key": key}


def models(body: bytes) -> list[str]:
    """The names in `{"models": [{"name": "models/…", "supportedGenerationMethods": […]}]}`,
    without those that are said to do something else than generate."""
    try:
        rows = sequence(parse(body), "models")
    except ValueError:
        return []
    return usable(bare(string(row, "name")) for row in rows if _generates(row))


def _generates(row: Any) -> bool:
    methods = sequence(row, "supportedGenerationMethods")
    return not methods or _GENERATES in methods


def bare(model: str) -> str:
    """The model's name as people write it."""
    return mended(model.removeprefix(_PREFIX))


def system(prompt: Prompt) -> str:
    """All that stands before the conversation, in one text."""
    return mended("\n\n".join(turn.text for turn in prompt.turns if turn.role is Role.SYSTEM))


class Sources:
    """The sources of one answer: servers repeat them, in a list that grows."""

    def __init__(self) -> None:
        self._known: set[Citation] = set()

    def new(self, title: str, address: str) -> list[Citation]:
        found = [cited for cited in citations(title, address) if cited not in self._known]
        self._known.update(found)
        return found
