from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme
from textual.widgets import Button, Footer, Header, Input, Markdown, OptionList, TextArea

from ssechat.paths import shipped_themes, user_themes_dir
from ssechat.settings import DEFAULT_THEME
from ssechat.tui.themes import COLOURS, load, resolve, usual_variables

OURS = ["ssechat-dark", "ssechat-light"]


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    return folder


def luminance(colour: Color) -> float:
    """Relative luminance (WCAG 2.2)."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, (colour.r, colour.g, colour.b))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text: str, ground: str) -> float:
    """Contrast ratio (WCAG 2.2), the text blended into its ground if it is translucent."""
    below = Color.parse(ground)
    above = Color.parse(text)
    levels = sorted((luminance(below.blend(above, above.a, alpha=1)), luminance(below)))
    return (levels[1] + 0.05) / (levels[0] + 0.05)


def test_the_shipped_themes_are_without_fault():
    themes, warnings = load(shipped_themes())
    assert warnings == []
    assert {*OURS, "ssechat-ansi", DEFAULT_THEME} <= set(themes)
    assert [themes[name].dark for name in OURS] == [True, False]
    assert themes["ssechat-ansi"].ansi


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("ground", ["background", "surface", "panel"])
def test_text_of_every_colour_is_legible_on_every_ground(name, ground):
    colours = load(shipped_themes())[0][name].to_color_system().generate()
    texts = ["foreground", "foreground-muted", "text-success", "text-warning", "text-error"]
    for text in [
        *texts,
        *(c for c in COLOURS if c not in ("background", "surface", "panel", "boost")),
    ]:
        assert contrast(colours[text], colours[ground]) >= 4.5, text


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(
    "part",
    ["block-cursor", "block-cursor-blurred", "input-cursor", "input-selection", "screen-selection"],
)
def test_text_on_a_mark_of_its_own_is_legible(name, part):
    colours = load(shipped_themes())[0][name].to_color_system().generate()
    text, ground = colours[f"{part}-foreground"], colours[f"{part}-background"]
    assert contrast(text, ground) >= 4.5


def test_the_ansi_theme_uses_the_terminals_colours_only():
    theme = load(shipped_themes())[0]["ssechat-ansi"]
    values = [theme.primary, *(getattr(theme, key) for key in COLOURS), *theme.variables.values()]
    assert all(value.startswith("ansi_") for value in values if value != "none")


class Everything(App[None]):
    def compose(self) -> ComposeResult:
        yield Header()
        yield Input()
        yield TextArea()
        yield OptionList("a", "b")
        yield Button("x")
        yield Markdown("# a\n[b](http://x)")
        yield Footer()


async def start_with(theme: Theme) -> None:
    app = Everything()
    app.register_theme(theme)
    app.theme = theme.name
    async with app.run_test() as pilot:
        await pilot.pause()


@pytest.mark.parametrize("name", [*OURS, "ssechat-ansi"])
async def test_an_app_starts_with_it(name):
    await start_with(load(shipped_themes())[0][name])


ODD = {
    "only primary": 'primary = "#123456"',
    "only primary, ansi": 'primary = "ansi_blue"\nansi = true',
    "all ansi without the flag": "".join(f'{key} = "ansi_red"\n' for key in ("primary", *COLOURS)),
    "hexadecimal in ansi": 'ansi = true\nprimary = "#123456"\nbackground = "#fff"',
    "translucent variables": 'primary = "#123456"\n[variables]\n'
    + "".join(f'{name} = "#00000000"\n' for name in usual_variables() if "-style" not in name),
    "styles": 'primary = "red"\n[variables]\n'
    + "".join(f'{name} = "not bold"\n' for name in usual_variables() if "-style" in name),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
async def test_an_app_starts_with_an_odd_theme(tmp_path, text):
    themes, _ = load(write(tmp_path, text))
    await start_with(themes["mine"])


def test_a_user_theme_of_the_same_name_wins():
    write(user_themes_dir(), 'name = "ssechat-dark"\nprimary = "#abcdef"')
    themes, warnings = load()
    assert warnings == []
    assert themes["ssechat-dark"].primary == "#abcdef"
    assert "ssechat-light" in themes


def test_a_theme_without_a_name_is_called_after_its_file(tmp_path):
    assert "mine" in load(write(tmp_path, 'primary = "red"'))[0]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('accent = "reddish"', "accent"),
        ('accent = "#12"', "accent"),
        ('accent = "auto"', "accent"),
        ('accent = "red; } * { display: none"', "accent"),
        ('background = "transparent"', "background"),
        ("surface = 3", "surface"),
        ('acent = "red"', "acent"),
        ('dark = "yes"', "dark"),
        ("variables = 3", "variables"),
        ('variables.borde = "red"', "variables.borde"),
        ('variables.border = "$primary"', "variables.border"),
        ('variables.border = "transparent"', "variables.border"),
        ('variables.link-style = "red"', "variables.link-style"),
        ('variables.link-style = ""', "variables.link-style"),
    ],
)
def test_a_fault_is_reported_with_its_line_and_the_theme_stays(tmp_path, line, key):
    themes, warnings = load(write(tmp_path, f'primary = "red"\n{line}\n'))
    assert "mine" in themes
    assert (warnings[0].key, warnings[0].line) == (key, 2)
    assert warnings[0].file == str(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        'primary = "nothing"',
        'primary = "red"\nname = "[red]x[/nope]"',
        'primary = "red"\nname = "\\u001b]0;x"',
        'primary = "red"\nname = ""',
        "primary =",
        'primary = "red"\n' + "#" * 8_000 + "\n" + "# x\n" * 20_000,
    ],
    ids=["empty", "no colour", "markup", "escape", "nameless", "syntax", "huge"],
)
def test_a_theme_that_cannot_be_used_is_left_out_and_reported(tmp_path, text):
    themes, warnings = load(write(tmp_path, text))
    assert set(themes) == set(BUILTIN_THEMES)
    assert warnings


def test_a_folder_that_does_not_exist_has_no_themes(tmp_path):
    assert load(tmp_path / "missing") == (dict(BUILTIN_THEMES), [])


def test_the_number_of_files_is_bounded(tmp_path):
    for number in range(250):
        write(tmp_path, "primary =", f"{number}.toml")
    assert len(load(tmp_path)[1]) == 200


def test_a_known_name_resolves_to_its_theme(tmp_path):
    themes, _ = load()
    theme, warning = resolve("ssechat-light", themes, tmp_path / "config.toml")
    assert theme.name == "ssechat-light"
    assert warning is None


def test_an_unknown_name_resolves_to_the_default_and_points_into_the_configuration(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[ui]\ntheme = "ssechat-lite"\n')
    theme, warning = resolve("ssechat-lite", load()[0], config)
    assert theme.name == DEFAULT_THEME
    assert str(warning) == (
        f'{config}:2: ui.theme: expected the name of a theme (did you mean "ssechat-light"?);'
        f' using "{DEFAULT_THEME}"'
    )


VALUES = st.one_of(
    st.sampled_from(['"#123"', '"#12345678"', '"ansi_red"', '"red"', "true", "3", "[]", "{}"]),
    st.text(max_size=10).map(lambda text: "'" + text.replace("'", "") + "'"),
)
KEYS = st.sampled_from(
    ["name", "dark", "ansi", "primary", *COLOURS, "variables.border", "variables.text", "surprise"]
)


@given(st.dictionaries(KEYS, VALUES, max_size=10))
def test_no_theme_raises(entries):
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(f"{key} = {value}" for key, value in entries.items())
        themes, _ = load(write(Path(folder), text))
    for theme in themes.values():
        theme.to_color_system().generate()
