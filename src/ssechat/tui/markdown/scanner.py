"""From lines to blocks, each line read once.

This is CommonMark's own strategy: a line first continues the open containers (quotes, list items),
then may begin new ones, and what is left of it goes to the open leaf or begins another. A leaf
that has closed is a `Block`; only what is in `later` may still change it. `fork` shows what the
open rest would be if the text ended here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial

from ssechat.tui.markdown import grammar
from ssechat.tui.markdown.blocks import Block, Code, Flow, Margin, Rule, heading
from ssechat.tui.markdown.grammar import Container, Item
from ssechat.tui.markdown.inline import parse_inline, parse_open
from ssechat.tui.markdown.later import Later
from ssechat.tui.markdown.leaves import Fence, Formula
from ssechat.tui.markdown.references import References
from ssechat.tui.markdown.run import Run
from ssechat.tui.markdown.spans import Line, Span
from ssechat.tui.markdown.table import Table, alignments, row_cells

PART = 64
PART_CHARS = 16_384
"""Rows, and characters in them, after which a table is closed and goes on as another part."""
BLANKS = 20
"""Blank lines that are kept within indented code."""

Use = tuple[str, Callable[[list[Span]], None]]
"""A text in a block, and what changes it there."""


class MarkdownLines:
    """The scanner's state between two lines."""

    step = 256

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.leaf: Run | Fence | Formula | Table | None = None
        self.ends: list[int] = []
        self.later = Later()
        self._stack: list[Container] = []
        self._gap: int | None = None  # so many containers were open at the last blank line
        self._code = False  # the last block was indented code, in the containers that are open
        self._blanks = 0  # blank lines since the last block
        self._begun = False
        self._references = References(self.later)
        self._trial = False

    def fork(self) -> MarkdownLines:
        other = copy.copy(self)
        other.blocks, other.ends, other._trial = [], [], True
        other._stack = [copy.copy(container) for container in self._stack]
        if self.leaf is not None and not isinstance(self.leaf, Table):
            other.leaf = self.leaf.fork()
        return other

    def held(self, line: str) -> bool:
        """Whether this beginning of a line may yet become anything, so that it had better wait."""
        if isinstance(self.leaf, Fence):
            return not line.strip(f"{self.leaf.start.mark[0]} ")
        return bool(grammar.UNDECIDED.match(line))

    def push(self, line: str, *, middle: bool = False) -> None:
        line = line.expandtabs(4)
        if middle:
            self._go_on(line)
            return
        depth, rest = self._match(line)
        inside = depth == len(self._stack)
        if inside and isinstance(self.leaf, Fence | Formula) and self.leaf.takes(rest):
            self._verbatim(self.leaf, rest)
        elif not rest.strip(" "):
            self._pop(depth, anyway=True)
            if self._stack and isinstance(item := self._stack[-1], Item) and item.over:
                self._draw(item)
            self._gap = depth
            self._blanks += 1
        else:
            self._text_line(depth, rest)

    def close(self) -> None:
        self._pop(0, anyway=True)

    def _match(self, line: str) -> tuple[int, str]:
        """How many of the open containers the line continues, and what is left of it."""
        for depth, container in enumerate(self._stack):
            rest = grammar.continues(container, line)
            if rest is None:
                return depth, line
            line = rest
        return len(self._stack), line

    def _text_line(self, depth: int, rest: str) -> None:
        for container in self._stack[:depth]:
            if isinstance(container, Item):
                container.empty = False
        known = len(self._stack)
        depth, rest, entered = self._enter(depth, rest)
        if not rest.strip(" "):
            return
        # A paragraph goes on without its containers' marks if nothing else can be meant.
        lazy = depth < known and not entered and isinstance(self.leaf, Run)
        if lazy and not grammar.interrupts(rest):
            self._add_text(rest)
            return
        self._pop(depth)
        self._leaf_line(rest)

    def _enter(self, depth: int, rest: str) -> tuple[int, str, bool]:
        """Open the containers that the line begins: how many are open then, and what is left."""
        entered = False
        while depth < grammar.DEEPEST and grammar.indentation(rest) < 4:
            start = grammar.quote(rest) or self._item(depth, rest) or self._footnote(rest)
            if start is None:
                break
            self._pop(depth, anyway=True)
            self._stack.append(start[0])
            depth, rest, entered = depth + 1, start[1], True
        return depth, rest, entered

    def _item(self, depth: int, rest: str) -> tuple[Item, str] | None:
        return grammar.list_item(
            rest,
            before=self._stack[depth] if depth < len(self._stack) else None,
            in_paragraph=isinstance(self.leaf, Run) and depth == len(self._stack),
            depth=sum(isinstance(each, Item) and each.bullet for each in self._stack[:depth]),
        )

    def _footnote(self, rest: str) -> tuple[Item, str] | None:
        found = grammar.footnote(rest)
        if found is None:
            return None
        if not self._trial:
            self._references.footnote(found[0])
        return Item("^", 0, 4, f"[{found[0]}]"), found[1]

    def _leaf_line(self, rest: str) -> None:
        """What is left of a line when its containers are open: text, or a leaf's beginning."""
        indented = grammar.indentation(rest) >= 4
        if isinstance(self.leaf, Table) and not indented and not grammar.interrupts(rest):
            self._row(self.leaf, rest)
        elif isinstance(self.leaf, Run) and self._ends_paragraph(self.leaf, rest):
            pass
        elif indented and not isinstance(self.leaf, Run):
            self._indented(rest[4:])
        elif not indented and grammar.interrupts(rest):
            self._close_leaf()
            self._start(rest)
        elif isinstance(self.leaf, Run):
            self._add_text(rest)
        else:
            self._close_leaf()
            self.leaf = Run()
            self._grow(rest.lstrip(" "))

    def _ends_paragraph(self, run: Run, rest: str) -> bool:
        """Whether the line makes a heading of the open paragraph, or a table of its last line."""
        if not run.whole or grammar.indentation(rest) >= 4:
            return False
        # Before the underline: "| a |" over "---" is a table, as markdown-it has it.
        above, _, header = run.text.rpartition("\n")
        if aligns := alignments(header, rest):
            run.text = above
            self._begin_table(header, aligns)
            return True
        level = grammar.underline(rest)
        if level is None:
            return False
        run.text = self._take(run.text)
        if not run.text:
            self._close_leaf()
            return False
        self.leaf = None
        text = run.text.rstrip(" ")
        self._emit_text(text, heading(self._margin(), level, self._parse(text)))
        self.ends.append(len(self.blocks))
        return True

    def _indented(self, text: str) -> None:
        """A line of indented code; the blank lines before it are part of it, if more came above."""
        self._close_leaf()
        for _ in range(min(self._blanks, BLANKS) - 1 if self._code else 0):
            self._emit(Code(self._margin(), []))
        self._emit(Code(self._margin(), [Span(text, "fence")]))
        self._code = True

    def _start(self, rest: str) -> None:
        """A leaf that is no paragraph."""
        if found := grammar.heading(rest):
            self._emit_text(found[1], heading(self._margin(), found[0], self._parse(found[1])))
        elif start := grammar.fence(rest):
            self.leaf = Fence(start)
        elif formula := grammar.formula(rest):
            self.leaf = Formula(formula)
            self._verbatim(self.leaf, rest)
        else:
            self._emit(Rule(self._margin()))

    def _verbatim(self, leaf: Fence | Formula, rest: str) -> None:
        row, last = leaf.read(rest)
        if row is not None:
            self._emit(leaf.row(self._margin(), row))
        if last:
            self._close_leaf()

    def _begin_table(self, header: str, aligns: list[str]) -> None:
        if isinstance(self.leaf, Run) and self.leaf.text:
            self._close_leaf()
        sources = row_cells(header, len(aligns))
        self.leaf = Table(self._margin(), [self._parse(each) for each in sources], aligns)
        self._note_cells(self.leaf, -1, sources)

    def _row(self, table: Table, rest: str) -> None:
        sources = row_cells(rest, len(table.aligns))
        row = [self._parse(source) for source in sources]
        if self._trial:
            self.leaf = None  # the table itself is shared with the scanner that was forked
            self._emit(table.probe(row))
            return
        if len(table.rows) >= PART or table.chars >= PART_CHARS:
            self._close_leaf()
            self.leaf = table = table.next_part(self._margin())
        self._note_cells(table, len(table.rows), sources)
        table.add(row, len(rest))

    @staticmethod
    def _note_cells(table: Table, row: int, sources: list[str]) -> None:
        table.uses += [(row, at, source) for at, source in enumerate(sources) if "[" in source]

    def _go_on(self, text: str) -> None:
        """The next piece of a line that is too long to wait for its end."""
        if isinstance(self.leaf, Fence | Formula):
            self._emit(self.leaf.row(self._margin(), text))
        elif isinstance(self.leaf, Run):
            self._grow(text)
        else:
            self._close_leaf()
            self.leaf = Run()
            self._grow(text)

    def _add_text(self, line: str) -> None:
        assert isinstance(self.leaf, Run)
        text = line.lstrip(" ")
        if text.startswith("[") and self.leaf.whole and not self._trial:
            self.leaf.text = self._take(self.leaf.text)  # there may be thousands of definitions
        self._grow(f"\n{text}" if self.leaf.text else text)

    def _grow(self, text: str) -> None:
        assert isinstance(self.leaf, Run)
        self.leaf.text += text
        if self._trial:
            return
        self.leaf.settle(self._parse)
        if self.leaf.full:
            self._close_leaf()

    def _parse(self, text: str) -> list[Span]:
        parse = parse_open if self._trial else parse_inline
        return parse(text, self._references.env)

    def _take(self, text: str) -> str:
        """The paragraph without the link definitions that it begins with."""
        return self._references.take(text, keep=not self._trial)

    def _pop(self, depth: int, *, anyway: bool = False) -> None:
        """Close the containers from `depth` on, and the leaf in them (`anyway`: or outside)."""
        if anyway or depth < len(self._stack):
            self._close_leaf()
        while len(self._stack) > depth:
            last = self._stack[-1]
            if isinstance(last, Item):
                self._draw(last)
            self._stack.pop()
            self._code = False
        if self._gap is not None:
            self._gap = min(self._gap, depth)

    def _draw(self, item: Item) -> None:
        """The marker of the innermost item, if nothing has stood beside it."""
        if not item.drawn:
            self._emit(Flow(self._margin(), []))

    def _close_leaf(self) -> None:
        leaf, self.leaf = self.leaf, None
        if isinstance(leaf, Run):
            self._close_run(leaf)
        elif isinstance(leaf, Table):
            leaf.closed = leaf.closed or not self._trial
            uses = [(source, partial(leaf.replace, row, at)) for row, at, source in leaf.uses]
            self._emit(leaf, uses)
        elif isinstance(leaf, Fence):
            if not leaf.drawn:
                self._emit(leaf.row(self._margin(), ""))
            if not self._trial:
                self.later.add(leaf.again(len(self.blocks)))
        if leaf is not None:
            self.ends.append(len(self.blocks))

    def _close_run(self, run: Run) -> None:
        if run.whole:
            run.text = self._take(run.text)
            if not run.text:
                return
            self._tick_box(run)
        flow = run.close(self._margin(), self._parse)
        chunks = [(text, partial(run.chunks.replace, at)) for at, text in enumerate(run.settled)]
        self._emit(flow, [*chunks, (run.text.rstrip(" "), flow.replace)])

    def _tick_box(self, run: Run) -> None:
        """The bullet of a task becomes its box, which stands beside a number."""
        item = self._stack[-1] if self._stack else None
        if not isinstance(item, Item) or item.drawn or item.kind == "^":
            return
        if box := grammar.TASK.match(run.text):
            tick = "☐" if box[1] == " " else "☑"
            item.mark = tick if item.bullet else f"{item.mark} {tick}"
            run.text = run.text[box.end() :]

    def _emit(self, block: Block, uses: Iterable[Use] = ()) -> None:
        """One more block; `uses` are the texts in it that may refer to something."""
        if not self._trial:
            for source, put in uses:
                self._references.wait(source, len(self.blocks), put)
        self.blocks.append(block)
        self._code, self._blanks = False, 0

    def _emit_text(self, source: str, flow: Flow) -> None:
        self._emit(flow, [(source, flow.replace)])

    def _margin(self) -> Margin:
        """The margin of the next block; markers are drawn once."""
        first = tuple(span for each in self._stack for span in each.first())
        rest = self._rest(len(self._stack))
        gap = self._rest(self._gap) if self._begun and self._gap is not None else None
        for container in self._stack:
            if isinstance(container, Item):
                container.drawn = True
        self._begun, self._gap = True, None
        return Margin(first, rest, gap)

    def _rest(self, depth: int) -> Line:
        return tuple(span for each in self._stack[:depth] for span in each.rest())
