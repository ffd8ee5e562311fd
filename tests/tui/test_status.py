"""The words of the status bar and the marks of the tabs, for every condition of a stream."""

from __future__ import annotations

import json
from itertools import count

import pytest
from rich.cells import cell_len

from ssechat.core.deltas import EndState
from ssechat.core.dialects import dialect
from ssechat.core.errors import JournalProblem
from ssechat.core.fold import Fold, mark
from ssechat.core.frames import Frame, FrameKind, MarkName
from ssechat.core.resume import Rung, Settle, State, Stream
from ssechat.core.schemes import located
from ssechat.hub import Live
from ssechat.journal import MessageRow
from ssechat.tui.status import (
    Piece,
    Tone,
    duration,
    end_of,
    fit,
    live_badge,
    live_pieces,
    row_badge,
    row_pieces,
    state_of,
    usable,
)

ID = "st_abcdefghijkl.1-"


class Timeline:
    """A stream whose frames come at the times that a test says, in seconds."""

    def __init__(self) -> None:
        fold = Fold(dialect("openai-chat").decoder())
        self.live = Live("s", "c", "m", profile="p", model="a-model", fold=fold)
        self._numbers = count(1)

    def sent(self, at: float) -> Timeline:
        self.live.take([mark(MarkName.SENT, at, at)])
        return self.state(State.WAITING)

    def says(self, at: float, text: str, kind: str = "content") -> Timeline:
        data = json.dumps({"choices": [{"index": 0, "delta": {kind: text}}]})
        number = next(self._numbers)
        event = Frame(FrameKind.EVENT, data, id=f"{ID}{number}", own_id=True, mono=at, began=at)
        self.live.take([event])
        return self.state(State.STREAMING)

    def talks(self, start: float, stop: float, rate: float, kind: str = "content") -> Timeline:
        for number in range(round((stop - start) * rate)):
            self.says(start + number / rate, "word", kind)
        return self

    def resumable(self) -> Timeline:
        self.live.handle = located("/v1/streams/st_x/events", "st_x")
        return self

    def state(self, state: State) -> Timeline:
        self.live.machine = Stream(state=state)
        return self

    def ends(self, end: EndState, note: str = "") -> Timeline:
        self.live.close(Settle(end, note))
        return self


def words(pieces: list[Piece]) -> str:
    return "  ".join(piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (State.SUBMITTING, "waiting"),
        (State.WAITING, "waiting"),
        (State.STREAMING, "live"),
        (State.STALLED, "stalled 12 s"),
        (State.BACKOFF, "reconnecting (3 s)"),
        (State.RESUMING, "resuming"),
        (State.REPLAYING, "resuming"),
        (State.CANCELLING, "stopping"),
    ],
)
def test_each_state_of_the_machine_has_its_word(state: State, word: str) -> None:
    live = Timeline().sent(0).says(1, "hello").state(state).live
    live.due = 16.0
    assert state_of(live, 13.0).text == word


def test_thinking_is_thinking_until_the_answer_begins() -> None:
    stream = Timeline().sent(0).says(1, "hm", "reasoning_content")
    assert state_of(stream.live, 2).text == "thinking"
    assert state_of(stream.says(2, "so").live, 2).text == "live"


@pytest.mark.parametrize("end", EndState)
def test_each_end_has_its_word_live_and_stored_alike(end: EndState) -> None:
    stream = Timeline().sent(0).says(1, "hello").ends(end)
    word = "cut (cannot resume)" if end is EndState.CUT else str(end)
    assert state_of(stream.live).text == word
    assert row_pieces(row(end), Rung.NONE)[0].text == word


def test_a_failure_says_why_in_one_clean_line() -> None:
    piece = end_of("failed", "401: bad\nkey \x1b[31m" + "x" * 100)
    assert piece.text.startswith("failed: 401: bad key ␛[31mxxx")
    assert len(piece.text) <= 68
    assert piece.tone is Tone.BAD


def test_a_cut_says_whether_it_can_go_on() -> None:
    assert end_of("cut", "lost", Rung.EXACT).text == "cut (F6 resumes)"
    assert end_of("cut", "lost", Rung.FETCH).text == "cut (F6 resumes)"
    assert end_of("cut", "lost", Rung.CONTINUE).text == "cut (F6 continues)"
    assert end_of("cut", "lost", Rung.NONE).text == "cut (cannot resume)"
    assert end_of("expired", "gone", Rung.CONTINUE).text == "expired (F6 continues)"
    assert end_of("cut", "lost").text == "cut"


def test_what_cannot_be_continued_for_nothing_came_does_not_offer_it() -> None:
    assert usable(Rung.CONTINUE, " \n") is Rung.NONE
    assert usable(Rung.CONTINUE, "a") is Rung.CONTINUE
    assert usable(Rung.EXACT, "") is Rung.EXACT


def test_ttfb_runs_while_the_first_byte_is_awaited_and_then_stands() -> None:
    stream = Timeline().sent(10)
    assert "TTFB 412 ms" in words(live_pieces(stream.live, 10.412))
    stream.says(10.5, "hello").says(12, "there")
    assert "TTFB 500 ms" in words(live_pieces(stream.live, 30))
    assert "TTFB 500 ms" in words(live_pieces(stream.ends(EndState.COMPLETE).live, 99))


def test_the_bar_of_a_stream_has_all_words_in_the_order_of_the_design() -> None:
    stream = Timeline().resumable().sent(0).talks(0.412, 6.412, 40)
    stream.live.fold.resumes = 2
    said = words(live_pieces(stream.live, 6.412))
    assert said.startswith("live  a-model  TTFB 412 ms  ~40.0 tok/s  ")
    assert said.endswith("  ~240 tok  id …kl.1-240  exact  resumed ×2")


def test_the_rung_is_told_once_it_is_known() -> None:
    stream = Timeline().sent(0)
    assert "none" not in words(live_pieces(stream.live, 1))
    stream.says(1, "hello")
    assert words(live_pieces(stream.live, 1)).endswith("none (no resume)")
    assert words(live_pieces(stream.resumable().live, 1)).endswith("exact")


def test_the_rate_at_the_end_is_that_of_the_whole_stream() -> None:
    stream = Timeline().sent(0).talks(1, 3, 10).talks(3, 5, 30).ends(EndState.COMPLETE)
    assert "~20.2 tok/s" in words(live_pieces(stream.live, 99))


def test_not_saved_and_another_window_are_told_beside_the_state() -> None:
    live = Timeline().sent(0).says(1, "hello").live
    live.unsaved = JournalProblem("the disk is full")
    assert words(live_pieces(live, 1)).startswith("live  not saved  a-model")
    live.unsaved, live.followed = None, True
    assert words(live_pieces(live, 1)).startswith("live  in another window  a-model")


def row(state: str, **more: object) -> MessageRow:
    fields = {"id": "m", "conversation_id": "c", "parent_id": None, "role": "assistant"}
    fields |= {
        "created": 0.0,
        "stream_id": "s",
        "dialect": "d",
        "state": str(state),
        "model": "a-model",
    }
    return MessageRow(**(fields | more))


def test_an_answer_from_the_journal_has_the_same_figures() -> None:
    stored = row("complete", ttfb_ms=412.3, tokens_per_second=38.24, tokens_out=1024, resumes=1)
    said = "complete  a-model  TTFB 412 ms  38.2 tok/s  1,024 tok  resumed ×1"
    assert words(row_pieces(stored)) == said


def test_an_id_from_the_server_is_cleaned_and_shortened() -> None:
    stored = row("complete", last_id="\x1b]0;pwned\x07" + "7" * 500)
    assert words(row_pieces(stored)) == "complete  a-model  id …77777777"
    assert words(row_pieces(row("complete", last_id="42"))).endswith("id 42")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.4124, "412 ms"), (9.9, "9900 ms"), (12.34, "12.3 s"), (600, "600.0 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


BAR = [
    Piece("live"),
    Piece("claude-of-some-length", rank=2),
    Piece("TTFB 412 ms", rank=1),
    Piece("38.2 tok/s", rank=1),
    Piece("▂▅▇▆", rank=9),
    Piece("1,024 tok", rank=4),
    Piece("id …t.1-981", rank=6),
    Piece("exact", rank=5),
    Piece("resumed ×1", rank=3),
]


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (120, "live claude-of-some-length TTFB 38.2 ▂▅▇▆ 1,024 id exact resumed"),
        (100, "live claude-of-some-length TTFB 38.2 1,024 id exact resumed"),
        (78, "live claude-of-some-length TTFB 38.2 1,024 resumed"),
        (60, "live claude-of-some-length TTFB 38.2"),
        (40, "live TTFB 38.2"),
        (20, "live TTFB"),
        (4, "live"),
    ],
)
def test_what_matters_least_goes_first(width: int, kept: str) -> None:
    pieces = fit(BAR, width)
    assert len(words(pieces)) <= width
    assert " ".join(piece.text.split()[0] for piece in pieces) == kept


def test_wide_characters_are_measured_in_cells() -> None:
    model = Piece("模型模型模型", rank=2)
    assert fit([Piece("live"), model], 17) == [Piece("live")]
    assert fit([Piece("live"), model], 18) == [Piece("live"), model]
    assert cell_len(fit([Piece("模型模型")], 5)[0].text) <= 5
    assert fit([Piece("live")], 0)[0].text == ""
    assert fit([], 10) == []


@pytest.mark.parametrize(
    ("state", "badge"),
    [
        (State.WAITING, "●"),
        (State.STREAMING, "●"),
        (State.BACKOFF, "⟳ 3 s"),
        (State.RESUMING, "⟳"),
        (State.CANCELLING, "●"),
    ],
)
def test_a_tab_shows_how_its_stream_is_doing(state: State, badge: str) -> None:
    live = Timeline().sent(0).says(1, "hello").state(state).live
    live.due = 16.0
    assert live_badge(live, 13.0).text == badge


@pytest.mark.parametrize("end", EndState)
def test_a_tab_shows_how_its_answer_ended_live_and_stored_alike(end: EndState) -> None:
    marks = {"complete": "✓", "stopped": "■", "length": "!", "refused": "!"}
    stream = Timeline().sent(0).says(1, "hello").ends(end)
    assert live_badge(stream.live).text == marks.get(end, "✗")
    assert row_badge(row(end)) == live_badge(stream.live)
    assert row_badge(row("live")).text == "●"
