"""Tool calls: which one a fragment of Chat Completions belongs to, and those that come whole."""

from __future__ import annotations

import json
from typing import Any

from ssechat.core.deltas import Tool
from ssechat.core.dialects._json import count, mapping, string
from ssechat.core.dialects._text import brief

MAX_NAME = 200


def whole_call(index: int, call_id: str, name: str, arguments: Any) -> Tool:
    """A call whose arguments came at once: as a value, or as JSON in a string."""
    return Tool(index, brief(call_id, MAX_NAME), brief(name, MAX_NAME), _json_of(arguments))


def _json_of(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    try:
        return json.dumps(arguments, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


class ToolCalls:
    """Numbers the calls of one answer, and gives the id and name of each once.

    The `index` of a fragment should say it all. But servers leave it out, send 0 for every call,
    repeat the id, or make a new id for each fragment; so a new id together with a name starts a
    call, and a fragment with neither index nor id belongs to the latest.
    """

    def __init__(self) -> None:
        self._calls: dict[int, tuple[str, str]] = {}
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}
        self._latest: int | None = None
        self._highest = -1

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, fragment: Any) -> Tool:
        """One element of `tool_calls`, whatever it is."""
        function = mapping(fragment, "function")
        index = count(fragment, "index")
        call_id = brief(string(fragment, "id"), MAX_NAME)
        name = brief(string(function, "name"), MAX_NAME)
        number = self._number(index, call_id, name)
        old_id, old_name = self._calls.get(number, ("", ""))
        self._calls[number] = (old_id or call_id, old_name or name)
        self._remember(number, index, call_id)
        return Tool(
            number,
            "" if old_id else call_id,
            "" if old_name else name,
            string(function, "arguments"),
        )

    def _number(self, index: int | None, call_id: str, name: str) -> int:
        if call_id in self._by_id:
            return self._by_id[call_id]
        number = self._by_index.get(index) if index is not None else None
        if index is None and not call_id:
            number = self._latest
        if number is None or self._is_another(number, index, call_id, name):
            return self._free(index)
        return number

    def _is_another(self, number: int, index: int | None, call_id: str, name: str) -> bool:
        old_id, old_name = self._calls[number]
        if index is None:
            return bool(name and old_name) and name != old_name
        return bool(call_id and name and old_id and old_name)

    def _free(self, index: int | None) -> int:
        return self._highest + 1 if index is None or index in self._calls else index

    def _remember(self, number: int, index: int | None, call_id: str) -> None:
        self._latest, self._highest = number, max(number, self._highest)
        if index is not None:
            self._by_index[index] = number
        if call_id:
            self._by_id[call_id] = number
