"""What a request's body asks for, wherever and however often a server may read it there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, cast

_NAMES_MODELS = {"model", "models", "agent", "fallbacks", "preset", "route"}
"""Members that say who answers. `models`, `preset` and `route` are OpenRouter's, `fallbacks` is
LiteLLM's, and an agent is asked in a model's place at Gemini Interactions."""
_NAMES_OBJECTS = {"previousresponseid", "previousinteractionid"}
_NOT_A_LETTER = re.compile(r"[^a-z0-9]")

_Object = tuple[tuple[str, object], ...]
"""An object of JSON as it stands there: names may come more than once."""


class Asked(NamedTuple):
    """`models` are all that may answer, as they came, whatever their type. `objects` are all names
    of what the upstream keeps, in ASCII. `says` are the names of members, as every server reads
    them."""

    says: frozenset[str] = frozenset()
    stream: object = None
    models: tuple[object, ...] = ()
    objects: tuple[str, ...] = ()


def asked(body: bytes) -> Asked | None:
    """What a JSON body asks for; None if it is no object."""
    try:
        found = json.loads(body.decode() or "{}", object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, tuple):
        return None
    exact = {name: value for name, value in found if value is not None}
    objects = [str(one).encode("ascii", "backslashreplace").decode() for one in _objects(found)]
    return Asked(frozenset(exact), exact.get("stream"), tuple(_models(found)), tuple(objects))


def _models(body: _Object) -> Iterator[object]:
    for name, value in _members(body):
        if name in _NAMES_MODELS:
            yield from value if isinstance(value, list) else [value]
        elif name == "tools":
            yield from (model for tool in _each(value) for model in _all(tool, "model"))


def _objects(body: _Object) -> Iterator[object]:
    for name, value in _members(body):
        if name in _NAMES_OBJECTS:
            yield value
        elif name == "conversation":
            yield from _all(value, "id") if isinstance(value, tuple) else [value]
        elif name == "input":
            yield from (id for item in _each(value) if _refers(item) for id in _all(item, "id"))


def _refers(item: _Object) -> bool:
    """Whether an item of OpenAI's Responses only names one that is kept. It need not say so."""
    kinds = _all(item, "type")
    whole = _all(item, "role") and _all(item, "content")
    return "item_reference" in kinds or not (kinds or whole)


def _all(value: object, wanted: str) -> list[object]:
    return [one for name, one in _members(value) if name == wanted]


def _each(value: object) -> list[_Object]:
    found = value if isinstance(value, list) else [value]
    return [cast(_Object, one) for one in found if isinstance(one, tuple)]


def _members(value: object) -> Iterator[tuple[str, object]]:
    """What stands in an object, with names as the laxest server reads them: Go does not mind case,
    protobuf takes `camelCase` and `snake_case`. What is null is not there."""
    for name, one in cast(_Object, value) if isinstance(value, tuple) else ():
        if one is not None:
            yield _NOT_A_LETTER.sub("", name.casefold()), one
