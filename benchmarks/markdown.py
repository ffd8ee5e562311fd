"""CPU per token of Markdown that grows: does it depend on how much is there already?

    python benchmarks/markdown.py [TOKENS]

A document of some size is there; the next TOKENS (1,000) tokens of 4 characters are fed one by one,
and the lines are asked for after each, as a screen would at its fastest. The same tokens are fed
in all rows of a kind, so the ratio of two rows is what size costs. `worst` is the longest that
any one of these feeds, or any one while the document was streamed in pieces of 40 characters,
took. Ratios mean something on a busy machine too, milliseconds do not.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from time import process_time

from ssechat.tui.markdown import Document

WIDTH = 100
WORDS = [
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "on"),
    *("stream", "server", "event", "buffer", "token", "retry", "cursor", "parser", "connection"),
]
Unit = Callable[[random.Random, int], str]


def prose(rng: random.Random, words: int) -> str:
    said = [rng.choice(WORDS) for _ in range(words)]
    said[words // 3], said[words // 2] = f"**{said[0]}**", f"`{said[1]}`"
    return " ".join(said).capitalize() + "."


def code(rng: random.Random, _: int) -> str:
    name, value = rng.choice(WORDS), rng.choice(WORDS)
    return "    " * rng.randrange(3) + f'{name} = {value}.{name}({rng.randrange(99)}, "{value}")\n'


def mixed(rng: random.Random, number: int) -> str:
    parts = [f"## Section {number}\n\n", prose(rng, 80), "\n\n"]
    parts += [f"- {prose(rng, 12)}\n" for _ in range(5)]
    parts += ["\n```python\n", *(code(rng, 0) for _ in range(25)), "```\n\n", prose(rng, 60)]
    parts += ["\n\n| a | b |\n|---|--:|\n"]
    parts += [f"| {rng.choice(WORDS)} | 1 |\n" for _ in range(6)]
    return "".join([*parts, "\n"])


def row(rng: random.Random, number: int) -> str:
    return f"| {number} | {rng.choice(WORDS)} | {prose(rng, 6)} | {rng.randrange(9999)} |\n"


def nested(rng: random.Random, number: int) -> str:
    return "> " * (1 + number % 6) + prose(rng, 12) + ("\n" if number % 3 else "\n>\n")


KINDS: dict[str, tuple[str, Unit]] = {
    "mixed": ("", mixed),
    "fence": ("```python\n", code),
    "list": ("", lambda rng, n: f"{n}. **{rng.choice(WORDS)}**: {prose(rng, 14)}\n"),
    "table": ("| id | name | text | n |\n|---|---|---|--:|\n", row),
    "paragraph": ("", lambda rng, _: prose(rng, 12) + " "),
    "nested quote": ("", nested),
    "link definitions": ("", lambda rng, n: f"[{n}]: http://a.b/{rng.choice(WORDS)}\n"),
    "late definitions": ("", lambda rng, n: f"See [a{n}].\n\n[a{n - 1}]: http://a.b/{n}\n\n"),
    "brackets": ("", lambda *_: "["),
    "images": ("", lambda *_: "!["),
    "asterisks": ("", lambda *_: "*_ **a"),
    "backticks": ("", lambda rng, _: "`" * rng.randrange(1, 9) + "a"),
    "one line": ("", lambda *_: "word"),
    "quote marks": ("", lambda *_: "> "),
}
SIZES = {"mixed": (500, 5_000, 50_000), "one line": (500, 250_000)}
"""Tokens of the document that is there; 500 and 15,000 for what is not named."""


def text(unit: Unit, characters: int, seed: int) -> str:
    rng = random.Random(seed)
    parts: list[str] = []
    size = 0
    while size < characters:
        parts.append(unit(rng, len(parts) + 2))
        size += len(parts[-1])
    return "".join(parts)


def timed(document: Document, source: str, step: int) -> tuple[float, float]:
    """Feed `source` in pieces of `step` characters: seconds in all, and the longest."""
    times: list[float] = []
    for at in range(0, len(source), step):
        began = process_time()
        document.feed(source[at : at + step])
        document.lines(WIDTH)
        times.append(process_time() - began)
    return sum(times), max(times)


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    gc.disable()  # its pauses are the document's whole size and come from anywhere
    print(f"{'kind':17} {'there':>7} {'CPU a token':>12} {'growth':>7} {'worst':>9}")
    for kind, (head, unit) in KINDS.items():
        tail = text(unit, 4 * tokens, 2)
        first = 0.0
        for size in SIZES.get(kind, (500, 15_000)):
            document = Document()
            _, streamed = timed(document, head + text(unit, 4 * size, 1), 40)
            spent, worst = timed(document, tail, 4)
            gc.collect()
            first = first or spent
            micros, worst = spent / tokens * 1e6, max(streamed, worst) * 1e3
            print(f"{kind:17} {size:7,} {micros:9.0f} µs {spent / first:6.2f}x {worst:6.1f} ms")


if __name__ == "__main__":
    main()
