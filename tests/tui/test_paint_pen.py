"""Styles and places, said as briefly as they can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssechat.tui.paint.cells import Ink, blank
from ssechat.tui.paint.pen import Pen

TURNED_OFF = {
    "22": {"1", "2"},
    "23": {"3"},
    "24": {"4", "21"},
    "25": {"5", "6"},
    "27": {"7"},
    "28": {"8"},
    "29": {"9"},
    "54": {"51", "52"},
    "55": {"53"},
}
ATTRIBUTES = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "51", "52", "53"]
INKS = st.builds(
    Ink,
    st.sets(st.sampled_from(ATTRIBUTES)).map(lambda on: ";".join(a for a in ATTRIBUTES if a in on)),
    st.sampled_from(["", "31", "38;5;100", "38;2;1;2;3"]),
    st.sampled_from(["", "41", "48;5;100", "48;2;1;2;3"]),
)


def understood(text: str) -> list[tuple[str, frozenset[str], str, str]]:
    """Each letter with the attributes, colour and ground that a terminal gives it."""
    attributes, color, ground = set[str](), "", ""
    letters = []
    for part in text.split("\x1b[")[1:]:
        codes, _, written = part.partition("m")
        numbers = codes.split(";") if written else []
        while numbers:
            code = numbers.pop(0)
            if code in ("38", "48"):
                count = 2 if numbers[0] == "5" else 4
                code, numbers = ";".join([code, *numbers[:count]]), numbers[count:]
            if code == "0":
                attributes, color, ground = set(), "", ""
            elif code.startswith("3") and code not in ATTRIBUTES:
                color = "" if code == "39" else code
            elif code.startswith("4") and code not in ATTRIBUTES:
                ground = "" if code == "49" else code
            elif code in TURNED_OFF:
                attributes -= TURNED_OFF[code]
            else:
                attributes.add(code)
        letters += [(letter, frozenset(attributes), color, ground) for letter in written]
    return letters


@given(st.lists(INKS, min_size=1, max_size=6))
def test_each_letter_gets_its_ink_whatever_the_one_before_had(inks: list[Ink]) -> None:
    pen = Pen()
    pen.write(0, 0, [("x", ink) for ink in inks])
    meant = [("x", frozenset(filter(None, a.split(";"))), c, g) for a, c, g in inks]
    assert understood("".join(pen.out)) == meant


def test_blanks_that_look_the_same_change_no_ink() -> None:
    red = Ink("1", "31", "44")
    pen = Pen()
    pen.write(0, 0, [("a", red), blank(red), ("b", red), blank(red), ("c", blank(red)[1])])
    assert "".join(pen.out) == "\x1b[1;1H\x1b[0;1;31;44ma b \x1b[22;39mc"


def test_a_blank_shows_the_line_under_it_and_another_ground() -> None:
    lined, ground, other = Ink("4", "31", "44"), Ink(ground="44"), Ink(ground="45")
    pen = Pen()
    pen.write(0, 0, [("a", lined), (" ", lined), (" ", ground), (" ", other)])
    assert "".join(pen.out) == "\x1b[1;1H\x1b[0;4;31;44ma \x1b[24;39m \x1b[45m "


def test_within_a_row_moves_are_short_and_over_what_is_not_known_they_are_made() -> None:
    a = ("a", Ink())
    pen = Pen()
    pen.write(2, 3, [a, a])
    pen.write(2, 8, [a, None, a])
    pen.write(2, 1, [a])
    pen.write(4, 1, [a])
    assert "".join(pen.out) == "\x1b[3;4H\x1b[0maa\x1b[3Ca\x1b[11Ga\x1b[2Ga\x1b[5;2Ha"
