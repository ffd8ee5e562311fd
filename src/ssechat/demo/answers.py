"""Which answer a conversation gets: a pure function of its messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from ssechat.demo import faults
from ssechat.demo.faults import KNOBS, Faults
from ssechat.demo.pieces import pieces
from ssechat.demo.topics import FOLLOW_UPS, SUBJECTS, Topic, topic

_QUOTE = 200
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class Answer(NamedTuple):
    """Thinking and answer in pieces of about four characters each."""

    thinking: tuple[str, ...]
    text: tuple[str, ...]
    refused: bool


class _Turn(NamedTuple):
    quote: str
    asked: Faults
    topic: Topic


def compose(prompts: list[str]) -> Answer:
    """The answer to the last prompt of a conversation, given all that the user said in it."""
    turns = _turns(prompts)
    turn = turns[-1]
    thinking = chain(pieces(_musing(turns)), turn.topic.thinking)
    if turn.asked.refuse:
        return Answer(tuple(thinking), turn.topic.answer, True)
    text: Iterable[str] = chain(pieces(_opening(turns)), turn.topic.answer)
    if turn.asked.kilobytes is None:
        text = chain(text, pieces(_closing(turns)))
    else:
        text = _extended(chain(text, _parts(turn.topic)), turn.asked.kilobytes * 1024)
    return Answer(tuple(thinking), tuple(text), False)


def quoted(prompt: str) -> str:
    """A prompt, fit to be quoted: one line, nothing invisible, of bounded length."""
    seen = "".join(c for c in prompt[: 4 * _QUOTE] if unicodedata.category(c) not in _UNSEEN)
    line = " ".join(seen.split())
    return line if len(line) <= _QUOTE else f"{line[: _QUOTE - 1].rstrip()}…"


def _turns(prompts: list[str]) -> list[_Turn]:
    turns: list[_Turn] = []
    used: list[str] = []
    for prompt in prompts or [""]:
        text, asked = faults.read(prompt)
        chosen = _choose(text, asked, used)
        used.append(chosen.name)
        turns.append(_Turn(quoted(text), asked, chosen))
    return turns


def _choose(prompt: str, asked: Faults, used: list[str]) -> Topic:
    if asked.refuse:
        return topic("refusal")
    if asked.hostile:
        return topic("hostile")
    for name in SUBJECTS:
        if name not in used and topic(name).fits(prompt):
            return topic(name)
    if not used:
        return topic("welcome")
    later = sum(name in FOLLOW_UPS for name in used)
    return topic(FOLLOW_UPS[later % len(FOLLOW_UPS)])


def _musing(turns: list[_Turn]) -> str:
    turn = turns[-1]
    said = f"The user writes “{turn.quote}”." if turn.quote else "The user sent no words."
    if len(turns) == 1:
        return f"{said}\n\n"
    return f"Turn {len(turns)}; the last one was about “{turns[-2].topic.title}”. {said}\n\n"


def _opening(turns: list[_Turn]) -> str:
    turn = turns[-1]
    lines = [f"> {turn.quote}", ""] if turn.quote else []
    if len(turns) == 1:
        lines += ["A prepared answer from the demo provider; nothing left this machine.", ""]
    else:
        lines += [_link(turns), ""]
    if turn.asked.words:
        lines += ["Knobs in force for this answer:", ""]
        lines += [f"- `{word}`: {_does(word)}" for word in turn.asked.words] + [""]
    return "\n".join(lines) + "\n"


def _link(turns: list[_Turn]) -> str:
    before, now = turns[-2].topic.title, turns[-1].topic
    earlier = [turn.topic.title for turn in turns[:-1]]
    if now.title in earlier:
        return f"Turn {len(turns)}, and again on *{now.title}*, which stands above, too:"
    if now.name in FOLLOW_UPS:
        return f"Turn {len(turns)}. *{before}* stands above; this goes one step further:"
    return f"Turn {len(turns)}: from *{before}* to *{now.title}*."


def _does(word: str) -> str:
    name = word[1:].partition("=")[0]
    return next(knob.does for knob in KNOBS if knob.name == name)


def _closing(turns: list[_Turn]) -> str:
    used = {turn.topic.name for turn in turns}
    fresh = [name for name in reversed(SUBJECTS) if name not in used]
    ideas = [topic(name) for name in (*fresh, *SUBJECTS)[:3]]
    lines = [f"- {idea.title}: `{idea.sample}`" for idea in ideas]
    return "\n\n---\n\nTo go on, you could send one of these:\n\n" + "\n".join(lines) + "\n"


def _parts(first: Topic) -> Iterator[str]:
    """All subjects after `first`, round and round."""
    at = SUBJECTS.index(first.name) if first.name in SUBJECTS else 0
    number = 1
    while True:
        number += 1
        at = (at + 1) % len(SUBJECTS)
        yield from pieces(f"\n\n---\n\nPart {number}\n\n")
        yield from topic(SUBJECTS[at]).answer


def _extended(stream: Iterable[str], size: int) -> Iterator[str]:
    """Pieces up to the first paragraph's end at or after `size` bytes."""
    for piece in stream:
        if size <= 0 and piece.startswith("\n\n"):
            return
        yield piece
        size -= len(piece.encode())
