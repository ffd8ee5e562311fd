"""Conversations: the tree and the path through it, search, deletion, prompts, tabs."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ssechat.core.deltas import EndState
from ssechat.core.draft import Draft, Pasted
from ssechat.journal import Journal, Lease, LeaseLost, NotFound, Outcome, TabRow, begin
from ssechat.journal import conversations as tree
from ssechat.journal.connect import connect
from support.journal import DEAD, frame, opened, question

NEXT = Lease("another-boot", 3, 3, "3")


class Trees(RuleBasedStateMachine):
    """Conversations beside a model of them: message id → (parent id, order of creation)."""

    conversations = Bundle("conversations")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.writer, self.reader = connect(Path(self.folder.name) / "ssechat.db")
        self.parents: dict[str, dict[str, str | None]] = {}
        self.heads: dict[str, str] = {}

    def teardown(self) -> None:
        self.writer.close()
        self.reader.close()
        self.folder.cleanup()

    @rule(target=conversations)
    def start(self) -> str:
        made = begin.begin(self.writer, "us", question(), 1.0)
        self.parents[made.conversation_id] = {
            made.user_message_id: None,
            made.message_id: made.user_message_id,
        }
        self.heads[made.conversation_id] = made.message_id
        return made.conversation_id

    @rule(name=conversations, data=st.data())
    def ask(self, name: str, data: st.DataObject) -> None:
        """Go on after any message, or edit the first one."""
        parent = data.draw(st.sampled_from([None, *self.parents[name]]))
        made = begin.begin(self.writer, "us", question("more", name, parent), 1.0)
        self.parents[name][made.user_message_id] = parent
        self.parents[name][made.message_id] = made.user_message_id
        self.heads[name] = made.message_id

    @rule(name=conversations, data=st.data())
    def retry(self, name: str, data: st.DataObject) -> None:
        users = [own for own in self.parents[name] if self.depth(name, own) % 2 == 0]
        asked = set(self.parents[name].values())
        user = data.draw(st.sampled_from([own for own in users if own in asked]))
        if self.role(user) != "user":
            with pytest.raises(ValueError, match="user"):
                begin.begin(self.writer, "us", question(None, name, user), 1.0)
            return
        made = begin.begin(self.writer, "us", question(None, name, user), 1.0)
        assert made.user_message_id == user
        self.parents[name][made.message_id] = user
        self.heads[name] = made.message_id

    @rule(name=conversations, data=st.data())
    def show(self, name: str, data: st.DataObject) -> None:
        """The head becomes the message under the chosen one that was written last."""
        chosen = data.draw(st.sampled_from(list(self.parents[name])))
        under = [own for own in self.parents[name] if chosen in self.up(name, own)]
        assert tree.set_head(self.writer, name, chosen) == under[-1]
        self.heads[name] = under[-1]

    @rule(name=consumes(conversations))
    def delete(self, name: str) -> None:
        assert tree.delete(self.writer, name)
        del self.parents[name], self.heads[name]

    @invariant()
    def path_leads_from_the_root_to_the_head(self) -> None:
        for name, head in self.heads.items():
            path = tree.path(self.reader, name, None)
            assert [row.id for row in path] == self.up(name, head)[::-1]
            assert tree.get(self.reader, name).count == len(self.parents[name])

    @invariant()
    def attempts_are_all_children_of_one_parent_in_order(self) -> None:
        for name, head in self.heads.items():
            for own in self.up(name, head):
                parent = self.parents[name][own]
                siblings = [other for other, p in self.parents[name].items() if p == parent]
                assert [row.id for row in tree.attempts(self.reader, own)] == siblings

    @invariant()
    def nothing_is_left_of_what_was_deleted(self) -> None:
        count = self.reader.execute("SELECT count(*) FROM message").fetchone()[0]
        assert count == sum(map(len, self.parents.values()))

    def up(self, name: str, message_id: str) -> list[str]:
        found: list[str] = []
        at: str | None = message_id
        while at is not None:
            found.append(at)
            at = self.parents[name][at]
        return found

    def depth(self, name: str, message_id: str) -> int:
        return len(self.up(name, message_id)) - 1

    def role(self, message_id: str) -> str:
        query = "SELECT role FROM message WHERE id = ?"
        return str(self.reader.execute(query, (message_id,)).fetchone()[0])


Trees.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
test_trees = Trees.TestCase


async def answer(journal: Journal, text: str, reply: str) -> str:
    made = await journal.begin(question(text))
    await journal.settle(made.stream_id, Outcome(state=EndState.COMPLETE, text=reply))
    return made.conversation_id


async def test_a_message_is_not_shown_by_another_conversation(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        one = await journal.begin(question())
        two = await journal.begin(question())
        with pytest.raises(NotFound):
            await journal.set_head(one.conversation_id, two.message_id)
        with pytest.raises(NotFound):
            await journal.begin(question("x", one.conversation_id, two.message_id))
        assert await journal.path(one.conversation_id, two.message_id) == []


async def test_a_path_can_be_asked_for_up_to_any_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        one = await journal.begin(question())
        path = await journal.path(one.conversation_id, one.user_message_id)
        assert [row.id for row in path] == [one.user_message_id]
        assert await journal.parent(one.message_id) == one.user_message_id
        assert await journal.parent(one.user_message_id) is None


async def test_conversations_come_newest_first_with_count_and_last_state(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        first = await answer(journal, "first", "a")
        second = (await journal.begin(question("second"))).conversation_id
        assert [row.id for row in await journal.conversations()] == [second, first]
        head = (await journal.conversation(first)).head
        await journal.begin(question("again", first, head))
        found = await journal.conversations()
        assert [(row.id, row.count, row.state) for row in found] == [
            (first, 4, "live"),
            (second, 2, "live"),
        ]
        assert len(await journal.conversations(limit=1)) == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("LIFETIMES", True),
        ("ответ", True),
        ("ОТВЕТ", True),
        ("straße", True),
        ("STRASSE", True),
        ("100%_", True),
        ("after nul", True),
        ("100_%", False),
        ("%", True),
        ("lifetimesx", False),
        ("x" * 60_000, False),
        ("\ud800", False),
        ("\0after", True),
    ],
)
async def test_search_is_literal_and_heeds_no_case(tmp_path: Path, query: str, found: bool) -> None:
    async with opened(tmp_path) as journal:
        wanted = await answer(journal, "Rust Lifetimes", "Ответ: Straße 100%_ \0After NUL")
        other = await answer(journal, "nothing", "else")
        assert [row.id for row in await journal.conversations(query=query)] == [wanted] * found
        assert {row.id for row in await journal.conversations(query="")} == {wanted, other}


async def test_renaming_changes_the_title_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        name = await answer(journal, "a", "b")
        before = await journal.conversation(name)
        await journal.rename(name, "new")
        after = await journal.conversation(name)
        assert after.title == "new"
        assert after.updated == before.updated
        with pytest.raises(NotFound):
            await journal.rename("cv_none", "x")


async def test_deleting_leaves_nothing_and_ends_what_streams(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        made = await journal.begin(question())
        await journal.append(made.stream_id, [frame(1)], "e1")
        packed = await journal.begin(question())
        await journal.append(packed.stream_id, [frame(1)], "e1")
        await journal.settle(packed.stream_id, Outcome(state=EndState.COMPLETE))
        await journal.pack(packed.stream_id)
        await journal.save_tabs([TabRow(made.conversation_id, Draft("draft"), True)])
        assert await journal.delete(made.conversation_id)
        assert await journal.delete(packed.conversation_id)
        assert not await journal.delete(made.conversation_id)
        with pytest.raises(LeaseLost):
            await journal.append(made.stream_id, [frame(2)], "e2")
        with pytest.raises(NotFound):
            await journal.begin(question("x", made.conversation_id, made.message_id))
        await journal.close()
    connection = sqlite3.connect(tmp_path / "ssechat.db")
    for table in ("conversation", "message", "stream", "request", "frame", "pack"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert connection.execute("SELECT conversation_id, draft FROM tab").fetchall() == [
        (None, "draft")
    ]
    connection.close()


def test_a_conversation_of_thousands_of_messages_is_walked_and_deleted(tmp_path: Path) -> None:
    writer, reader = connect(tmp_path / "ssechat.db")
    made = begin.begin(writer, "us", question(), 1.0)
    writer.execute("BEGIN")
    for _ in range(1500):
        more = question("more", made.conversation_id, made.message_id)
        made = begin.begin(writer, "us", more, 1.0)
    writer.execute("COMMIT")
    assert len(tree.path(reader, made.conversation_id, None)) == 3002
    assert tree.delete(writer, made.conversation_id)
    assert reader.execute("SELECT count(*) FROM message").fetchone() == (0,)
    writer.close()
    reader.close()


async def test_prompts_are_what_was_sent_each_once_latest_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for text in ("a", "b", "c", "a"):
            await answer(journal, text, "an answer")
        assert await journal.prompts() == ["a", "c", "b"]
        assert await journal.prompts(2) == ["a", "c"]


async def test_prompts_are_not_more_than_a_program_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_PROMPTS", 25)
    async with opened(tmp_path) as journal:
        for text in ("a" * 10, "b" * 10, "c" * 10):
            await answer(journal, text, "an answer")
        assert await journal.prompts() == ["c" * 10, "b" * 10]


async def test_tabs_are_open_again_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path, DEAD) as journal:
        name = await answer(journal, "a", "b")
        tabs = [TabRow(name, Draft("draft \0\n"), True), TabRow(None, Draft(), False)]
        await journal.save_tabs([TabRow(None, Draft("old"))])
        await journal.save_tabs(tabs)
    async with opened(tmp_path) as journal:
        assert await journal.take_tabs() == tabs
        assert await journal.take_tabs() == []
    async with opened(tmp_path) as journal:
        assert await journal.take_tabs() == tabs


async def test_tabs_of_a_living_process_are_left_to_it(tmp_path: Path) -> None:
    async with opened(tmp_path, DEAD) as living, opened(tmp_path) as ours:
        await living.save_tabs([TabRow(None, Draft("mine"))])
        assert await ours.take_tabs() == []


async def test_tabs_of_two_that_ended_are_all_opened(tmp_path: Path) -> None:
    async with opened(tmp_path, DEAD) as one, opened(tmp_path, NEXT) as two:
        await one.save_tabs([TabRow(None, Draft("1")), TabRow(None, Draft("2"))])
        await two.save_tabs([TabRow(None, Draft("3"))])
    async with opened(tmp_path) as journal:
        assert sorted(tab.draft.typed for tab in await journal.take_tabs()) == ["1", "2", "3"]


async def test_a_tab_whose_conversation_is_gone_keeps_its_draft(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.save_tabs([TabRow("cv_gone", Draft("draft"))])
    async with opened(tmp_path) as journal:
        assert await journal.take_tabs() == [TabRow(None, Draft("draft"))]


async def test_what_was_pasted_into_drafts_comes_back_whole(tmp_path: Path) -> None:
    big = "a line \x1b[31m\0 and \U0001f600\n" * 50_000
    first = Draft("see  and ", (Pasted(4, big), Pasted(9, "other " * 9000)))
    second = Draft("", (Pasted(0, big),))
    async with opened(tmp_path, DEAD) as one, opened(tmp_path, NEXT) as two:
        await one.save_tabs([TabRow(None, first), TabRow(None, Draft("x"))])
        await two.save_tabs([TabRow(None, second, True)])
    for _ in range(2):
        async with opened(tmp_path) as journal:
            drafts = [tab.draft for tab in await journal.take_tabs()]
            assert sorted(drafts, key=lambda draft: draft.typed) == [second, first, Draft("x")]


async def test_what_was_pasted_is_written_once_and_goes_with_the_last_draft(tmp_path: Path) -> None:
    paste = (Pasted(0, "0123456789" * 100_000),)

    def written() -> int:
        return sum(file.stat().st_size for file in tmp_path.iterdir())

    async with opened(tmp_path) as journal:
        await journal.save_tabs([TabRow(None, Draft("", paste))])
        before = written()
        assert before > 1_000_000
        for number in range(20):
            await journal.save_tabs([TabRow(None, Draft("x" * number, paste)), TabRow(None)])
        assert written() - before < 500_000
        await journal.save_tabs([TabRow(None, Draft("x"))])
        kept = await journal._read(lambda c: c.execute("SELECT COUNT(*) FROM paste").fetchone())
        assert kept == (0,)
