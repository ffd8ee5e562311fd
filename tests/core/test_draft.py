"""Drafts: what is typed, and long pastes between it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.draft import FOLD_OVER, Draft, Pasted, folded, is_long, joined

TEXTS = st.text("ab \n[é", max_size=8)
LONG = st.builds(lambda text: text + "x" * FOLD_OVER + "x" + text, TEXTS)
DRAFTS = st.lists(st.one_of(st.builds(Draft, TEXTS), st.builds(folded, LONG)), max_size=5).map(
    lambda parts: sum(parts, Draft())
)


@given(DRAFTS, DRAFTS)
def test_drafts_add_up_like_their_texts(one: Draft, other: Draft) -> None:
    assert (one + other).whole == one.whole + other.whole
    assert (one + other).pastes[: len(one.pastes)] == one.pastes


@given(DRAFTS)
def test_its_pieces_are_all_of_it_in_order(draft: Draft) -> None:
    pieces = list(draft.pieces())
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == draft.typed
    assert tuple(piece for piece in pieces if isinstance(piece, Pasted)) == draft.pastes


@given(DRAFTS)
def test_a_whole_text_is_folded_as_the_draft_was_and_loses_nothing(draft: Draft) -> None:
    again = folded(draft.whole, draft.pastes)
    assert again.whole == draft.whole
    assert [paste.text for paste in again.pastes] == [paste.text for paste in draft.pastes]
    assert again.typed == draft.typed


@given(LONG, TEXTS)
def test_what_is_long_is_folded_wherever_it_comes_from(long: str, short: str) -> None:
    assert folded(long) == Draft("", (Pasted(0, long),))
    assert folded(short) == Draft(short)
    assert folded(short + long + "y", [Pasted(3, long)]) == Draft(
        short + "y", (Pasted(len(short), long),)
    )
    assert folded(long, [Pasted(0, "gone" * FOLD_OVER)]) == folded(long)


@given(DRAFTS)
def test_stripping_touches_only_what_is_typed(draft: Draft) -> None:
    stripped = draft.stripped
    assert [paste.text for paste in stripped.pastes] == [paste.text for paste in draft.pastes]
    assert stripped.whole in draft.whole
    assert stripped.whole.strip() == draft.whole.strip()
    if not draft.pastes:
        assert stripped.typed == draft.typed.strip("\n").rstrip()
    assert stripped.stripped == stripped


@given(st.lists(DRAFTS, max_size=4))
def test_drafts_are_joined_by_lines_without_the_empty_ones(drafts: list[Draft]) -> None:
    assert joined(*drafts).whole == "\n".join(draft.whole for draft in drafts if draft)


def test_the_limit_is_in_bytes_of_utf_8() -> None:
    assert not is_long("x" * FOLD_OVER)
    assert is_long("x" * (FOLD_OVER + 1))
    assert is_long("é" * (FOLD_OVER // 2 + 1))
    assert not is_long("\ud800" * (FOLD_OVER // 3))
