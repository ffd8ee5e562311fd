"""How the transcript's roles look: from component classes, so from the theme, to rich styles."""

from __future__ import annotations

from collections.abc import Callable

from rich.style import Style
from textual.dom import DOMNode

PREFIX = "transcript--"

ROLES = frozenset(
    (
        *("strong", "em", "strike", "code", "link", "target", "image"),
        *("heading", "heading.sub", "quote", "rule", "marker", "table.head", "table.rule"),
        *("fence", "fence.label", "fence.keyword", "fence.comment", "fence.name", "fence.builtin"),
        *("fence.string", "fence.number", "fence.inserted", "fence.deleted"),
        *("thinking", "thinking.head", "tool", "tool.head", "tool.name"),
        *("user", "model", "muted", "warning", "error", "success", "seam", "caret"),
        *("found", "found.here"),
    )
)

CSS = """
Transcript {
    width: 1fr;
    height: 1fr;
    background: $background;
    color: $text;
    overflow-x: hidden;
    overflow-y: scroll;
    scrollbar-size-vertical: 1;

    .transcript--strong, .transcript--table-head { text-style: bold; }
    .transcript--em { text-style: italic; }
    .transcript--strike { text-style: strike; }
    .transcript--code { color: $accent; }
    .transcript--link { text-style: underline; }
    .transcript--heading { text-style: bold underline; }
    .transcript--heading-sub { text-style: bold; }
    .transcript--image { text-style: italic; }

    .transcript--fence-keyword { color: $primary; text-style: bold; }
    .transcript--fence-builtin { color: $primary; }
    .transcript--fence-name { text-style: bold; }
    .transcript--fence-string { color: $success; }
    .transcript--fence-number { color: $accent; }
    .transcript--fence-inserted { color: $success; }
    .transcript--fence-deleted { color: $error; }

    .transcript--user, .transcript--model { text-style: bold; }
    .transcript--tool-head { color: $accent; text-style: bold; }
    .transcript--tool-name { text-style: bold; }
    .transcript--warning { color: $warning; text-style: bold; }
    .transcript--error { color: $error; text-style: bold; }
    .transcript--success { color: $success; }
    .transcript--caret { color: $primary; }
    .transcript--found { color: $warning; text-style: bold underline; }
    .transcript--found-here { color: $warning; text-style: bold reverse; }

    .transcript--target, .transcript--quote, .transcript--rule, .transcript--marker,
    .transcript--table-rule, .transcript--fence-label, .transcript--fence-comment,
    .transcript--thinking, .transcript--thinking-head, .transcript--tool,
    .transcript--muted, .transcript--seam { color: $text-muted; }

    &:ansi .transcript--target, &:ansi .transcript--thinking, &:ansi .transcript--muted,
    &:ansi .transcript--fence-label, &:ansi .transcript--seam { text-style: dim; }
}
"""


def component(role: str) -> str:
    return PREFIX + role.replace(".", "-")


COMPONENTS = {component(role) for role in ROLES}


class Palette:
    """Rich styles by the names that spans carry; valid until the theme changes. `finish` is applied
    to each of them."""

    def __init__(
        self,
        widget: DOMNode,
        part: Callable[[str], Style],
        finish: Callable[[Style], Style] = lambda style: style,
    ) -> None:
        self._widget = widget
        self._part = part
        self._finish = finish
        self._styles: dict[str, Style] = {"": finish(widget.rich_style)}

    def __getitem__(self, names: str) -> Style:
        style = self._styles.get(names)
        if style is None:
            style = self._widget.rich_style
            for role in names.split(" "):
                style += self._role(role)
            style = self._styles[names] = self._finish(style)
        return style

    def _role(self, role: str) -> Style:
        """What a role's rules set: a colour made opaque on the background, and attributes."""
        if role not in ROLES:
            return Style.null()
        rules = self._widget.get_component_styles(component(role))
        coloured = rules.has_any_rules("color", "auto_color")
        return (
            Style(color=self._part(component(role)).color if coloured else None) + rules.text_style
        )
