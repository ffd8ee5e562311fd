"""docs/keys.md lists every action that `[keys]` may remap."""

from __future__ import annotations

from pathlib import Path

from ssechat.tui.actions import ACTIONS, shown

PAGE = Path(__file__).parents[2] / "docs" / "keys.md"


def table() -> str:
    """The page's table, from the registry."""
    rows = ["| id | default keys | what it does |", "|---|---|---|"]
    for action in ACTIONS:
        keys = ", ".join(f"`{shown(key)}`" for key in action.keys)
        about = f"{action.label}: {action.help}" if action.help else action.label
        rows.append(f"| `{action.id}` | {keys} | {about} |")
    return "\n".join(rows)


def test_the_page_is_the_registry() -> None:
    assert table() in PAGE.read_text()
