"""A profile's `sse` table: what a server written by hand does otherwise than most."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from ssechat.core.dialects.sse import METHODS, Options
from ssechat.toml_tables import Table

_STEP = r"[^\x00-\x20\x7f.,]{1,100}"
_PATH = rf"{_STEP}(?:\.{_STEP}){{0,20}}"


class _Form(NamedTuple):
    """What a string must look like, and how to say so."""

    pattern: str
    wanted: str


_FIELD = _Form(r"[^\x00-\x1f\x7f]{0,100}", "the name of a field")
_ONE = _Form(_PATH, "a path such as delta.type")
_SEVERAL = _Form(rf"(?:{_PATH}(?: *, *{_PATH}){{0,20}})?", "paths such as delta.text, content")
_FORMS = {
    "path": _Form(r"[^\x00-\x20\x7f#\\]{0,1000}", "a path without spaces, backslash or fragment"),
    "prompt": _FIELD,
    "messages": _FIELD,
    "model": _FIELD,
    "end": _Form(r"[^\x00-\x1f\x7f]{1,1000}", "auto, eof or the data that ends an answer"),
    "text": _SEVERAL,
    "thinking": _SEVERAL,
    "kind": _ONE,
    "mime": _ONE,
}
_USUAL = Options()


def options(table: Table) -> dict[str, Any]:
    """What `table` says that is not as usual, by the names of `Options`. Faults are warnings."""
    found = {key: _fit(table, key, form) for key, form in _FORMS.items()}
    found["method"] = table.choice("method", _USUAL.method, METHODS)
    if found["messages"] and found["method"] == "GET":
        table.warn("messages", 'method = "POST" beside it', "it is not sent")
        found["messages"] = ""
    if not (found["prompt"] or found["messages"]):
        table.warn("prompt", "the name of a field", f'using "{_USUAL.prompt}"')
        found["prompt"] = _USUAL.prompt
    table.finish()
    usual = msgspec.structs.asdict(_USUAL)
    return {key: value for key, value in found.items() if value != usual[key]}


def _fit(table: Table, key: str, form: _Form) -> str:
    usual: str = getattr(_USUAL, key)
    value = table.text(key, usual)
    if re.fullmatch(form.pattern, value):
        return value
    table.warn(key, form.wanted, f'using "{usual}"' if usual else "it is ignored")
    return usual
