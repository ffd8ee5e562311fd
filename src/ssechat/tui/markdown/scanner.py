"""From lines to blocks, each line read once.

This is CommonMark's own strategy: a line first continues the open containers (quotes, list items),
then may begin new ones, and what is left of it goes to the open leaf or begins another. A leaf
that has closed is a `Block` and never looked at again. `fork` shows what the open rest would be if
the text ended here.
"""

from __future__ import annotations

import copy

from ssechat.tui.markdown import grammar
from ssechat.tui.markdown.blocks import Block, Code, Flow, Margin, Rule, heading
from ssechat.tui.markdown.grammar import Container, FenceStart, Item
from ssechat.tui.markdown.highlight import Highlighter
from ssechat.tui.markdown.inline import References, define, parse_inline
from ssechat.tui.markdown.run import Run
from ssechat.tui.markdown.spans import Line, Span
from ssechat.tui.markdown.table import Table, alignments, split_row

PART = 200
"""Rows after which a table is closed and goes on as another part."""


class Fence:
    """An open code fence. Its rows are blocks already; `drawn` says whether there are any."""

    def __init__(self, start: FenceStart) -> None:
        self.start = start
        self.drawn = False
        self._lexer = Highlighter(start.label)

    def fork(self) -> Fence:
        other = copy.copy(self)
        other._lexer = self._lexer.fork()
        return other

    def row(self, margin: Margin, line: str) -> Code:
        label = "" if self.drawn else self.start.label
        self.drawn = True
        return Code(margin, self._lexer.line(line), label)


class MarkdownLines:
    """The scanner's state between two lines."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.leaf: Run | Fence | Table | None = None
        self.ends: list[int] = []
        self._stack: list[Container] = []
        self._first_part: Table | None = None
        self._gap: int | None = None  # so many containers were open at the last blank line
        self._begun = False
        self._references: References = {}
        self._trial = False

    def fork(self) -> MarkdownLines:
        other = copy.copy(self)
        other.blocks, other.ends, other._trial = [], [], True
        other._stack = [copy.copy(container) for container in self._stack]
        if isinstance(self.leaf, Run | Fence):
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
        if isinstance(self.leaf, Fence) and depth == len(self._stack):
            self._fence_line(rest)
        elif not rest.strip(" "):
            self._pop(depth, anyway=True)
            self._gap = depth
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
            start = grammar.quote(rest) or self._item(depth, rest)
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

    def _leaf_line(self, rest: str) -> None:
        """What is left of a line when its containers are open: text, or a leaf's beginning."""
        indented = grammar.indentation(rest) >= 4
        if isinstance(self.leaf, Table) and not indented and not grammar.interrupts(rest):
            self._row(self.leaf, rest)
        elif isinstance(self.leaf, Run) and self._ends_paragraph(self.leaf, rest):
            pass
        elif indented:
            if isinstance(self.leaf, Run):
                self._add_text(rest)
            else:
                self._close_leaf()
                self._emit(Code(self._margin(), [Span(rest[4:], "fence")]))
        elif grammar.interrupts(rest):
            self._close_leaf()
            self._start(rest)
        elif isinstance(self.leaf, Run):
            self._add_text(rest)
        else:
            self._close_leaf()
            # Definitions are taken line by line: one that spans lines is shown as text.
            if not define(rest, {} if self._trial else self._references):
                self.leaf = Run(self._parse)
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
        elif level := grammar.underline(rest):
            self.leaf = None
            self._emit(heading(self._margin(), level, self._parse(run.text.rstrip(" "))))
            self.ends.append(len(self.blocks))
        else:
            return False
        return True

    def _start(self, rest: str) -> None:
        """A leaf that is no paragraph."""
        if found := grammar.heading(rest):
            self._emit(heading(self._margin(), found[0], self._parse(found[1])))
        elif start := grammar.fence(rest):
            self.leaf = Fence(start)
        else:
            self._emit(Rule(self._margin()))

    def _fence_line(self, rest: str) -> None:
        assert isinstance(self.leaf, Fence)
        if self.leaf.start.closed_by(rest):
            self._close_leaf()
        else:
            self._emit(self.leaf.row(self._margin(), self.leaf.start.inner(rest)))

    def _begin_table(self, header: str, aligns: list[str]) -> None:
        if isinstance(self.leaf, Run) and self.leaf.text:
            self._close_leaf()
        self.leaf = self._first_part = Table(self._margin(), self._cells(header), aligns)

    def _row(self, table: Table, rest: str) -> None:
        row = self._cells(rest)
        if self._trial:
            self.leaf = None  # the table itself is shared with the scanner that was forked
            self._emit(table.probe(row))
            return
        if len(table.rows) >= PART:
            self._close_leaf()
            table = Table(self._margin(), table.head, table.aligns, self._first_part)
            self.leaf = table
        table.add(row)

    def _cells(self, line: str) -> list[list[Span]]:
        return [self._parse(cell) for cell in split_row(line)]

    def _go_on(self, text: str) -> None:
        """The next piece of a line that is too long to wait for its end."""
        if isinstance(self.leaf, Fence):
            self._emit(self.leaf.row(self._margin(), text))
        elif isinstance(self.leaf, Run):
            self._grow(text)
        else:
            self._close_leaf()
            self.leaf = Run(self._parse)
            self._grow(text)

    def _add_text(self, line: str) -> None:
        self._grow("\n" + line.lstrip(" "))

    def _grow(self, text: str) -> None:
        assert isinstance(self.leaf, Run)
        self.leaf.add(text)
        if self._trial:
            return
        self.leaf.settle()
        if self.leaf.full:
            self._close_leaf()

    def _parse(self, text: str) -> list[Span]:
        return parse_inline(text, self._references)

    def _pop(self, depth: int, *, anyway: bool = False) -> None:
        """Close the containers from `depth` on, and the leaf in them (`anyway`: or outside)."""
        if anyway or depth < len(self._stack):
            self._close_leaf()
        while len(self._stack) > depth:
            last = self._stack[-1]
            if isinstance(last, Item) and not last.drawn:
                self._emit(Flow(self._margin(), []))
            self._stack.pop()
        if self._gap is not None:
            self._gap = min(self._gap, depth)

    def _close_leaf(self) -> None:
        leaf, self.leaf = self.leaf, None
        if isinstance(leaf, Run):
            self._tick_box(leaf)
            self._emit(leaf.close(self._margin()))
        elif isinstance(leaf, Table):
            leaf.closed = leaf.closed or not self._trial
            self._emit(leaf)
        elif isinstance(leaf, Fence) and not leaf.drawn:
            self._emit(leaf.row(self._margin(), ""))
        if leaf is not None:
            self.ends.append(len(self.blocks))

    def _tick_box(self, run: Run) -> None:
        """A bullet of a task list becomes its box."""
        item = self._stack[-1] if self._stack else None
        if not isinstance(item, Item) or not item.bullet or item.drawn or not run.whole:
            return
        if box := grammar.TASK.match(run.text):
            item.mark = "☐" if box[1] == " " else "☑"
            run.text = run.text[box.end() :]

    def _emit(self, block: Block) -> None:
        self.blocks.append(block)

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
