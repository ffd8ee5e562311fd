"""Themes: TOML files, ours and the user's, as Textual themes.

What a file says goes into the app's style sheet, where one bad value would keep the app from
starting; so every value is checked, and a fault costs that value, at most that theme.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from ssechat.paths import shipped_themes, user_themes_dir
from ssechat.settings import DEFAULT_THEME
from ssechat.toml_tables import ConfigWarning, Report, Table, hint, line_of, read

MAX_BYTES = 65_536
MAX_FILES = 200
"""In one folder; further ones are not looked at."""

COLOURS = (
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
    "boost",
)
"""The colours that a theme may leave to Textual; `primary` it must have."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|#[0-9a-fA-F]{8}|[a-z_]{2,30}")
_A_COLOUR = "a colour such as #7fc1c9 or ansi_cyan"
_STYLES = frozenset(("none", "bold", "dim", "italic", "underline", "strike", "reverse", "not"))


def load(*folders: Path) -> tuple[dict[str, Theme], list[ConfigWarning]]:
    """All themes by name, and what is wrong in their files. Never raises.

    Later folders win over earlier ones, and all over Textual's own. Without arguments: the shipped
    themes, then the user's.
    """
    themes = dict(BUILTIN_THEMES)
    warnings: list[ConfigWarning] = []
    for folder in folders or (shipped_themes(), user_themes_dir()):
        for file in _files(folder):
            table = read(file, MAX_BYTES)
            if table.report.readable and (theme := _theme(table, file.stem)):
                themes[theme.name] = theme
            warnings += table.report.warnings
    return themes, warnings


def resolve(
    name: str, themes: Mapping[str, Theme], config: Path
) -> tuple[Theme, ConfigWarning | None]:
    """The theme called `name`, else the default and a warning that points into `config`."""
    if name in themes:
        return themes[name], None
    fallback = themes.get(DEFAULT_THEME, BUILTIN_THEMES["textual-dark"])
    expected = f"the name of a theme{hint(name, list(themes))}"
    line = line_of(config, ("ui", "theme"))
    instead = f'using "{fallback.name}"'
    return fallback, ConfigWarning(str(config), "ui.theme", expected, instead, line)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(islice(folder.glob("*.toml"), MAX_FILES))
    except OSError:
        return []


def _theme(table: Table, stem: str) -> Theme | None:
    name = table.text("name", stem)
    primary = _colour(table, "primary", "the theme is left out")
    colours: dict[str, Any] = {
        key: _colour(table, key, "it is derived") for key in COLOURS if key in table
    }
    dark, ansi = table.flag("dark", True), table.flag("ansi", False)
    variables = _ansi_variables(dark) if ansi else {}
    variables |= _variables(table.table("variables"))
    table.finish()
    if not _NAME.fullmatch(name):
        table.warn("name", "up to 40 letters, digits, spaces or . _ -", "the theme is left out")
        return None
    if not primary:
        return None
    theme = Theme(name, primary, **colours, dark=dark, ansi=ansi, variables=variables)
    return theme if _generates(theme, table.report) else None


def _ansi_variables(dark: bool) -> dict[str, str]:
    """What Textual's style sheets need and it does not derive for themes of the terminal's colours.

    Without them the app would not start.
    """
    usual = BUILTIN_THEMES["ansi-dark" if dark else "ansi-light"]
    derived = usual.to_color_system().generate()
    missing = {name: "ansi_default" for name in usual_variables() if name not in derived}
    return missing | usual.variables


def _colour(table: Table, key: str, instead: str) -> str | None:
    value = table.text(key)
    if is_colour(value, opaque=key != "boost"):
        return value
    table.warn(key, _A_COLOUR, instead)
    return None


def is_colour(value: str, opaque: bool = False) -> bool:
    """Whether it is one colour: #rgb, #rrggbb, #rrggbbaa, or a name that Textual knows."""
    if not _COLOUR.fullmatch(value):
        return False
    try:
        return Color.parse(value).a == 1 or not opaque
    except ColorParseError:
        return False


def _variables(table: Table) -> dict[str, str]:
    usual = usual_variables()
    variables: dict[str, str] = {}
    for name, value in table.texts():
        if name not in usual:
            table.warn(name, f"a known variable{hint(name, list(usual))}", "it is ignored")
        elif "-style" in name:
            if value.split() and _STYLES.issuperset(value.split()):
                variables[name] = value
            else:
                table.warn(name, "words such as bold or none", "it is ignored")
        elif is_colour(value, opaque=is_colour(usual[name], opaque=True)):
            variables[name] = value
        else:
            table.warn(name, _A_COLOUR, "it is ignored")
    return variables


@cache
def usual_variables() -> dict[str, str]:
    """The style sheet variables that a theme may set, with the values of a usual theme.

    Where these are opaque, widgets rely on it.
    """
    return BUILTIN_THEMES["textual-dark"].to_color_system().generate()


def _generates(theme: Theme, report: Report) -> bool:
    """Whether Textual can derive its variables from this theme."""
    try:
        theme.to_color_system().generate()
    except Exception as error:  # noqa: BLE001 - arithmetic on colours that Textual did not foresee
        report.add((), f"colours that go together ({error})", "the theme is left out")
        return False
    return True
