"""The registry of actions, and the keys that the user gives them."""

from __future__ import annotations

import pytest

from ssechat.tui.actions import (
    ACTIONS,
    BY_ID,
    FORBIDDEN,
    LEADER,
    canonical,
    keymap,
    needs_kitty,
    shown,
)
from ssechat.tui.verbs import VERBS

PLAIN = {"chat.send", "chat.newline", "view.page_up", "view.page_down"}
"""What keys do that every terminal has, and that nothing need stand in for."""

NEEDY = [
    *("ctrl+h", "ctrl+i", "ctrl+m", "ctrl+[", "ctrl+enter", "shift+enter", "ctrl+tab", "ctrl+1"),
    *("ctrl+shift+n", "ctrl+comma", "shift+space", "ctrl+backspace", f"{LEADER} ctrl+i"),
]
LEGACY = [
    *("a", "enter", "escape", "f12", "ctrl+n", "ctrl+j", "ctrl+space", "alt+1", "alt+enter"),
    *("ctrl+pagedown", "shift+up", "ctrl+shift+left", "ctrl+f5", "shift+tab", f"{LEADER} ["),
]


def test_every_action_is_done_by_a_verb_and_no_verb_is_out_of_reach() -> None:
    assert set(VERBS) == set(BY_ID)
    assert len(BY_ID) == len(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_no_action_depends_on_a_key_that_only_some_terminals_send(action) -> None:
    assert not all(map(needs_kitty, action.keys))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_a_twin_behind_the_leader_or_on_a_function_key(action) -> None:
    second = [key for key in action.keys if key.startswith(f"{LEADER} ") or key[0] == "f"]
    assert second or action.id in PLAIN


def test_no_two_actions_share_a_default_key() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert keymap({}).problems == []


def test_no_default_key_is_a_forbidden_one() -> None:
    assert not set(FORBIDDEN) & set(keymap({}).direct)


@pytest.mark.parametrize("key", NEEDY)
def test_keys_that_need_the_kitty_protocol_are_known(key: str) -> None:
    assert needs_kitty(key)


@pytest.mark.parametrize("key", LEGACY)
def test_keys_that_every_terminal_sends_are_known(key: str) -> None:
    assert not needs_kitty(key)


def test_what_the_user_gives_replaces_the_defaults() -> None:
    made = keymap({"tab.new": ("f5", f"{LEADER} k")})
    assert made.keys_of("tab.new") == ["F5", f"{LEADER} k"]
    assert "ctrl+n" not in made.direct
    assert made.problems == []


def test_a_key_that_the_user_gives_is_taken_from_its_default_owner() -> None:
    made = keymap({"chat.copy": ("f1",)})
    assert made.direct["f1"] == "chat.copy"
    assert made.keys_of("app.help") == [f"{LEADER} ?"]


def test_an_empty_list_leaves_an_action_without_keys() -> None:
    assert keymap({"tab.close": ()}).keys_of("tab.close") == []


@pytest.mark.parametrize("needed", ["chat.send", "app.quit"])
def test_sending_and_quitting_keep_a_key(needed: str) -> None:
    made = keymap({needed: ()})
    assert made.keys_of(needed)
    assert made.problems == [f"keys.{needed}: it needs a key; its default stays"]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"no.such": ("f5",)}, "keys.no.such: there is no such action; docs/keys.md lists them"),
        ({"tab.new": ("ctrl+s",)}, "keys.tab.new: ctrl+s cannot be bound: many terminals freeze"),
        ({"tab.new": (LEADER,)}, "keys.tab.new: ctrl+x cannot be bound: it leads to the second"),
        ({"tab.new": ("x",)}, "keys.tab.new: x alone is needed for writing"),
        ({"tab.new": ("space",)}, "keys.tab.new: space alone is needed for writing"),
        ({"tab.new": ("hyper+k",)}, "keys.tab.new: hyper+k is not a key; write it like ctrl+n"),
        ({"tab.new": ("f99",)}, "keys.tab.new: f99 is not a key"),
        ({"tab.new": ("ctrl+",)}, "keys.tab.new: ctrl+ is not a key"),
        ({"tab.new": ("g g",)}, "keys.tab.new: g g is not a key"),
        ({"tab.new": ("ctrl+enter",)}, "keys.tab.new: not every terminal can send ctrl+enter"),
        ({"tab.new": ("f5",), "tab.close": ("f5",)}, "keys.tab.close: f5 is taken by tab.new"),
    ],
)
def test_what_cannot_be_bound_is_told(overrides, problem: str) -> None:
    problems = keymap(overrides).problems
    assert any(told.startswith(problem) for told in problems), problems


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("[", "left_square_bracket"),
        ("?", "question_mark"),
        ("ctrl+]", "ctrl+right_square_bracket"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("esc", "escape"),
        ("+", "plus"),
    ],
)
def test_common_spellings_of_keys_are_understood(written: str, name: str) -> None:
    assert canonical(written) == name


def test_keys_are_shown_as_people_write_them() -> None:
    assert shown("left_square_bracket") == "["
    assert shown("f6") == "F6"
    assert shown("ctrl+f") == "ctrl+f"
