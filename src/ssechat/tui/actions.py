"""The one registry of what a user can do: names, keys, help. Bindings, help and palette read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

LEADER = "ctrl+x"


class Action(NamedTuple):
    """`id` is stable: users remap it in `[keys]`, and it names what is done (`verbs.VERBS`).

    `keys` are Textual key names; one of the form "ctrl+x w" is pressed after the leader.
    """

    id: str
    label: str
    keys: tuple[str, ...]
    group: str
    help: str = ""
    in_palette: bool = True


ACTIONS = (
    Action("chat.send", "Send", ("enter",), "Message", "send what is written", False),
    Action(
        "chat.newline",
        "New line",
        ("ctrl+j", "alt+enter", "shift+enter"),
        "Message",
        "begin a new line",
        False,
    ),
    Action(
        "chat.stop",
        "Stop",
        ("escape", "ctrl+x s"),
        "Message",
        "close what is open on top, else stop",
    ),
    Action("chat.retry", "Retry", ("ctrl+r", "ctrl+x r"), "Message", "answer again; all are kept"),
    Action("chat.previous", "Previous attempt", ("ctrl+x [",), "Message", "the answer before this"),
    Action("chat.next", "Next attempt", ("ctrl+x ]",), "Message", "the answer after this"),
    Action("chat.resume", "Resume", ("f6", "ctrl+x u"), "Message", "go on with a cut answer now"),
    Action("chat.detach", "Detach", ("ctrl+x d",), "Message", "leave the answer to the server"),
    Action("chat.edit", "Open in $EDITOR", ("ctrl+g", "ctrl+x e"), "Message", "write it there"),
    Action("chat.copy", "Copy answer", ("ctrl+x y",), "Message", "selected or last, as Markdown"),
    Action("chat.media", "Images and audio", ("ctrl+x o",), "Message", "open or save them"),
    Action("chat.links", "Links", ("ctrl+x k",), "Message", "open or copy one on the screen"),
    Action("tab.new", "New tab", ("ctrl+n", "ctrl+x n"), "Tabs", "a new conversation"),
    Action("tab.close", "Close tab", ("ctrl+x w",), "Tabs", "its stream goes on"),
    Action("tab.next", "Next tab", ("ctrl+pagedown", "ctrl+x right"), "Tabs"),
    Action("tab.previous", "Previous tab", ("ctrl+pageup", "ctrl+x left"), "Tabs"),
    Action("app.history", "Conversations", ("f2", "ctrl+x h"), "View", "all of them; opens one"),
    Action("app.model", "Profile and model", ("ctrl+l", "ctrl+x m"), "View", "who answers"),
    Action("view.thinking", "Thinking", ("ctrl+t", "ctrl+x t"), "View", "show, collapse, hide"),
    Action("view.find", "Find", ("ctrl+f", "ctrl+x f"), "View", "in this conversation"),
    Action("view.page_up", "Page up", ("pageup",), "View", "scroll back", False),
    Action("view.page_down", "Page down", ("pagedown",), "View", "scroll on", False),
    Action("view.end", "To the end", ("ctrl+end", "ctrl+x g"), "View", "follow the stream again"),
    Action("view.start", "To the start", ("ctrl+home", "ctrl+x b"), "View"),
    Action("view.redraw", "Redraw", ("ctrl+x l",), "View", "paint the screen anew"),
    Action("app.palette", "Commands", ("ctrl+p", "ctrl+x p"), "App", "find any of these", False),
    Action("app.help", "Help", ("f1", "ctrl+x question_mark"), "App", "this page"),
    Action("app.clear", "Copy, clear or stop", ("ctrl+c", "ctrl+x c"), "App", "never quits", False),
    Action("app.quit", "Quit", ("ctrl+q", "ctrl+x q"), "App", "nothing is lost"),
)
"""Tabs 1 to 9 are also on alt+1…9 and ctrl+x 1…9; those are not remapped."""

BY_ID = {action.id: action for action in ACTIONS}

_SENT_ALIKE = {"h": "backspace", "i": "tab", "m": "enter", "left_square_bracket": "escape"}
"""What ctrl makes of some keys in a terminal without the kitty protocol."""

FORBIDDEN = {"ctrl+s": "many terminals freeze on it", "ctrl+x": "it leads to the second keys"}

_FUNCTION_KEY = re.compile(r"f\d{1,2}")
_SPELLINGS = {
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "?": "question_mark",
    "return": "enter",
    "esc": "escape",
    "pgup": "pageup",
    "pgdn": "pagedown",
}


class Keymap(NamedTuple):
    """Keys to action ids: those pressed alone, and those pressed after the leader."""

    direct: dict[str, str]
    led: dict[str, str]
    problems: list[str]

    def keys_of(self, action_id: str) -> list[str]:
        """As a user types them, shortest first."""
        direct = [key for key, owner in self.direct.items() if owner == action_id]
        led = [f"{LEADER} {key}" for key, owner in self.led.items() if owner == action_id]
        return [shown(key) for key in direct + led]


def keymap(overrides: Mapping[str, tuple[str, ...]]) -> Keymap:
    """The keys in force. What the user names wins; a default key that clashes with it goes."""
    made = Keymap({}, {}, [])
    for action_id, keys in overrides.items():
        if action_id not in BY_ID:
            made.problems.append(
                f"keys.{action_id}: there is no such action; docs/keys.md lists them"
            )
            continue
        for key in keys:
            _bind(made, action_id, key, given=True)
    for action in ACTIONS:
        if action.id not in overrides:
            for key in action.keys:
                _bind(made, action.id, key, given=False)
        elif (given := overrides[action.id]) and all(map(needs_kitty, given)):
            made.problems.append(
                f"keys.{action.id}: not every terminal can send {given[0]}; give it one key more"
            )
    for action_id in ("chat.send", "app.quit"):
        if not made.keys_of(action_id):
            made.problems.append(f"keys.{action_id}: it needs a key; its default stays")
            for key in BY_ID[action_id].keys:
                _bind(made, action_id, key, given=False)
    return made


def _bind(made: Keymap, action_id: str, key: str, *, given: bool) -> None:
    *leader, last = key.strip().lower().split()
    last = canonical(last)
    where = made.led if leader else made.direct
    if given and (leader not in ([], [LEADER]) or not valid(last)):
        made.problems.append(
            f"keys.{action_id}: {key} is not a key; write it like ctrl+n or {LEADER} n"
        )
    elif given and not leader and last in FORBIDDEN:
        made.problems.append(f"keys.{action_id}: {last} cannot be bound: {FORBIDDEN[last]}")
    elif given and not leader and (len(last) == 1 or last == "space"):
        made.problems.append(f"keys.{action_id}: {last} alone is needed for writing")
    elif last in where and where[last] != action_id:
        if given:
            made.problems.append(f"keys.{action_id}: {key} is taken by {where[last]}")
    else:
        where[last] = action_id


def canonical(key: str) -> str:
    """Textual's name of a key, whatever the common spelling."""
    *modifiers, base = key.split("+") if key != "+" else ["plus"]
    base = _SPELLINGS.get(base, base)
    return "+".join([*sorted(modifiers), base])


def valid(key: str) -> bool:
    """Whether a terminal can send `key` at all."""
    *modifiers, base = key.split("+")
    if not set(modifiers) <= {"ctrl", "alt", "shift"} or not base:
        return False
    if len(base) == 1:
        return base.isprintable()
    return base in _NAMED or base in _SPELLINGS.values()


def needs_kitty(key: str) -> bool:
    """Whether only terminals with the kitty keyboard protocol can send `key`.

    Others know ctrl with letters (some of them are other keys), alt with characters, and every
    modifier with keys that move or have a number (xterm's `CSI 1 ; modifier X`).
    """
    *modifiers, base = canonical(key.split()[-1]).split("+")
    with_xterm = base in _MOVING or _FUNCTION_KEY.fullmatch(base) is not None
    if with_xterm or set(modifiers) <= {"alt"} or key == "shift+tab":
        return False
    return modifiers != ["ctrl"] or base in _SENT_ALIKE or base not in _WITH_CTRL


_MOVING = frozenset(
    {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete"}
)
_WITH_CTRL = frozenset("abcdefghijklmnopqrstuvwxyz") | {
    *("space", "at", "backslash", "right_square_bracket", "circumflex_accent", "underscore")
}
_NAMED = (
    _MOVING | {"enter", "escape", "tab", "space", "backspace"} | {f"f{n}" for n in range(1, 25)}
)


def shown(key: str) -> str:
    """A key as the help writes it."""
    for spelling, name in (("[", "left_square_bracket"), ("]", "right_square_bracket")):
        key = key.replace(name, spelling)
    key = key.replace("question_mark", "?")
    return key.upper() if _FUNCTION_KEY.fullmatch(key) else key
