"""Everything that can happen to a stream, in any order, at a server that makes sense.

Hypothesis plays the network, the server, the user and the machine's death; the client is made of
the real pure parts (see support/model_client.py). Whatever it plays: what is shown is what the
server said, once each, in order; an end says the truth; nothing is paid for twice; nothing hangs.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ssechat.core.deltas import EndState
from ssechat.core.resume import KEPT, Detached, Fired, Quiet, State, Stopped
from ssechat.core.resume.limits import BUSY, TOO_MUCH
from ssechat.core.schemes import rung
from ssechat.core.splice import Ordering
from support.model_client import ModelClient, Row, asked
from support.model_server import KINDS, Line, ModelServer, Terms

WORDS = st.sampled_from(["a", "ha ", "b ", "é"])
PASSING = [429, 502, 503]
FINAL = [204, 400, 401, 404, 410]


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    kind = draw(st.sampled_from(KINDS))
    pieces = tuple(draw(st.lists(WORDS, min_size=1, max_size=7)))
    return Terms(
        kind,
        pieces,
        alone=kind != "none" and (kind not in ("kept", "llama") or draw(st.booleans())),
        named=tuple(draw(st.lists(st.booleans(), max_size=9))) if kind == "location" else (),
        back=draw(st.integers(0, 3)) if kind == "location" else 0,
        grants=draw(st.sampled_from([True, True, True, False])),
    )


class Streams(RuleBasedStateMachine):
    """`causes` is why an answer need not be whole; `versions` what the server's answer has been."""

    @initialize(terms=terms(), steps=st.integers(0, 6), count=st.integers(1, 3))
    def ask(self, terms: Terms, steps: int, count: int) -> None:
        self.terms = terms
        self.server = ModelServer(terms)
        self.client = ModelClient.submitted(asked(terms.kind), self.server)
        self.causes: set[str] = set()
        self.versions = {terms.text}
        self.may_post = True
        self.it_goes_on(steps, count)

    @precondition(lambda self: self.over)
    @rule(terms=terms(), steps=st.integers(0, 6), count=st.integers(1, 3))
    def ask_again(self, terms: Terms, steps: int, count: int) -> None:
        self.ask(terms, steps, count)

    @property
    def over(self) -> bool:
        return self.client.row.state not in ("live", "stopping")

    @property
    def connecting(self) -> bool:
        reading = self.client.reading
        return reading is not None and reading.line is None and not reading.done

    @property
    def line(self) -> Line | None:
        return self.client.reading.line if self.client.reading else None

    # All goes well

    @precondition(lambda self: not self.over)
    @rule(steps=st.integers(1, 8), count=st.integers(1, 3))
    def it_goes_on(self, steps: int, count: int) -> None:
        for _ in range(steps):
            if not self.over:
                self.go_on(count)

    def go_on(self, count: int) -> None:
        """The next thing that is due, without trouble; of events, so many at once."""
        client = self.client
        client.commit()
        if client.unsaved:
            client.save_handle()
        self.server.make(count)
        if client.settling:
            self.the_end_is_written()
        elif client.stops:
            client.stop_goes_on("")
        elif client.polls:
            self.the_poll_is_answered(200)
        elif self.connecting:
            self.the_request_is_answered(200)
        elif self.line:
            if data := self.server.send(count):
                client.receive(data)
            elif not self.server.generating:
                self.note_loss()
                client.body_ended()
        else:
            assert client.timer is not None, "nothing is due"
            self.the_timer_fires()

    # A connection

    @precondition(lambda self: self.connecting)
    @rule(how=st.sampled_from(["unreached", "lost before", "lost after"]))
    def the_request_fails(self, how: str) -> None:
        client = self.client
        client.commit()
        if not self.connecting:
            return
        self.note_loss()
        if how == "unreached":
            client.unreached()
            return
        self.post_leaves()
        client.sent()
        if how == "lost after":
            client.request()
            self.server.hang_up()
        client.lost("reset")

    @precondition(lambda self: self.connecting)
    @rule(status=st.sampled_from([None, *PASSING, *PASSING, *FINAL]))
    def the_request_is_answered(self, status: int | None) -> None:
        """200: as the server means it; else by something that stands before it."""
        client = self.client
        client.commit()
        if not self.connecting:
            return
        self.post_leaves()
        client.sent()
        said: Line | int | None = client.request() if status == 200 else status
        if isinstance(said, Line):
            client.opened(said)
            return
        if said not in PASSING:
            self.causes.add("refused")
        if said in BUSY | TOO_MUCH and client.reading and not client.reading.how.resume:
            self.may_post = True
        client.refused(said)

    def post_leaves(self) -> None:
        """A request for a new answer is sent: may it be?"""
        reading = self.client.reading
        assert reading is not None
        if not reading.how.resume:
            assert self.may_post or self.client.row.key
            self.may_post = False

    def note_loss(self) -> None:
        """The connection goes: is there a way back?"""
        if not self.terms.alone or not (self.client.kept or self.client.row.key):
            self.causes.add("no way back")

    @precondition(lambda self: self.line)
    @rule(made=st.integers(0, 4), count=st.integers(1, 6))
    def events_arrive(self, made: int, count: int) -> None:
        """They wait to be committed."""
        self.server.make(made)
        if data := self.server.send(count):
            self.client.receive(data)

    @precondition(lambda self: self.line)
    @rule(part=st.floats(0, 1), how=st.sampled_from(["", "", "cleanly", "cleanly", "too large"]))
    def the_connection_is_cut(self, part: float, how: str) -> None:
        """In the middle of an event, or of a character."""
        client = self.client
        data = self.server.send(1)
        client.receive(data[: int(len(data) * part)])
        client.commit()
        if self.line is None:
            return
        self.note_loss()
        if how == "cleanly":
            client.body_ended()
        elif how:
            self.causes.add("refused")
            client.refused(None)
        else:
            client.lost("the connection was cut")

    @property
    def counted(self) -> bool:
        """Whether the client counts the events of this connection."""
        reading = self.client.reading
        return bool(self.line) and reading.ordering in (Ordering.RELAY, Ordering.SEQUENCE)

    @precondition(lambda self: self.line and (self.counted or self.terms.kind == "location"))
    @rule(count=st.integers(2, 5))
    def events_come_again(self, count: int) -> None:
        line = self.line
        assert line is not None
        again = range(max(0, line.at - count), line.at)
        # A checkpoint that is named once more, and events without a name, cannot be told.
        named = all(self.terms.named[n : n + 1] != (False,) for n in again)
        if self.counted or (len(again) > 1 and named):
            line.first += again

    @precondition(lambda self: self.counted)
    @rule(count=st.integers(1, 2), swapped=st.booleans())
    def events_are_skipped(self, count: int, swapped: bool) -> None:
        """Or come too late: their names show both."""
        line = self.line
        assert line is not None
        if swapped and line.at + 1 < self.server.made:
            line.first += [line.at + 1, line.at]
            count = 2
        line.at = min(line.at + count, self.server.made)

    # The server

    @precondition(lambda self: self.server.generations and self.terms.kind != "none")
    @rule(all_of_it=st.booleans())
    def it_forgets(self, all_of_it: bool) -> None:
        """The answer, or only how to go on in the middle of it."""
        if all_of_it:
            self.server.expired = True
            self.causes.add("expired")
        else:
            self.server.window_closed = True

    @precondition(lambda self: self.client.handle.scheme == "llama" and not self.terms.alone)
    @rule()
    def it_turns_out_to_keep_nothing(self) -> None:
        self.client.withdrawn()
        self.note_loss()

    @precondition(lambda self: self.counted)
    @rule(ahead=st.integers(0, 1))
    def it_loses_an_event(self, ahead: int) -> None:
        assert self.line is not None
        self.server.holes.add(self.line.at + ahead)
        self.causes.add("a hole")

    @precondition(lambda self: self.terms.kind == "replay" and self.client.kept)
    @rule(pieces=st.lists(WORDS, min_size=1, max_size=7))
    def it_makes_another_answer(self, pieces: list[str]) -> None:
        self.causes.add("another answer")
        if self.line is not None:
            self.client.lost("the server was started again")
        self.terms = Terms("replay", tuple(pieces))
        self.server.regenerate(self.terms)
        self.versions.add(self.terms.text)

    # The journal and the clock

    @precondition(lambda self: self.client.waiting)
    @rule()
    def frames_are_committed(self) -> None:
        self.client.commit()

    @precondition(lambda self: self.client.settling)
    @rule()
    def the_end_is_written(self) -> None:
        self.client.write_end()
        self.check_end()
        if self.client.forked:
            self.begin_sibling()

    @precondition(lambda self: self.client.timer is not None)
    @rule()
    def the_timer_fires(self) -> None:
        client = self.client
        assert client.timer is not None
        client.now, client.timer = max(client.now, client.timer), None
        client.tell(Fired())

    @precondition(lambda self: not self.over)
    @rule(seconds=st.sampled_from([1.0, 20.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        client = self.client
        client.now += seconds
        if self.line:
            client.tell(Quiet(seconds))
        if client.timer is not None and client.now >= client.timer:
            self.the_timer_fires()

    # Short requests

    @precondition(lambda self: self.client.polls)
    @rule(status=st.sampled_from([None, *PASSING, *FINAL]))
    def the_poll_is_answered(self, status: int | None) -> None:
        client = self.client
        assert client.poll is not None
        said = self.server.get(client.poll, "") if status == 200 else status
        if isinstance(said, int) and said not in PASSING:
            self.causes.add("refused")
        client.object_came(said)

    @precondition(lambda self: self.client.stops)
    @rule(why=st.sampled_from(["", "status 500"]))
    def a_stop_goes_on(self, why: str) -> None:
        self.client.stop_goes_on(why)

    # The user, and death

    @precondition(lambda self: not self.client.machine.ended)
    @rule()
    def the_user_stops(self) -> None:
        self.causes.add("stop")
        self.client.tell(Stopped())

    @precondition(lambda self: not self.client.machine.ended and self.client.kept)
    @rule()
    def the_user_detaches(self) -> None:
        self.causes.add("detach")
        self.client.tell(Detached())

    @precondition(lambda self: not self.client.machine.ended)
    @rule()
    def the_machine_wakes(self) -> None:
        self.client.wake("this machine slept")

    @precondition(lambda self: not self.over and (self.client.row.frames or self.client.row.key))
    @rule(written=st.booleans())
    def the_process_dies(self, written: bool) -> None:
        """In the middle of a commit that was `written`, or not."""
        client, row = self.client, self.client.row
        if written:
            row.write(client.waiting)
        client.drop()
        self.client = self.take_up(row)

    @precondition(lambda self: self.client.row.state == "cut")
    @rule()
    def the_user_resumes(self) -> None:
        row = self.client.row
        if rung(row.handle, row.cursor) in KEPT:
            self.causes -= {"detach", "gave up"}
            row.state = "live"
            self.client = self.take_up(row)

    def take_up(self, row: Row) -> ModelClient:
        found = ModelClient.found(row, self.server)
        found.now = self.client.now
        if not self.terms.alone or not (found.kept or row.key):
            self.causes.add("no way back")
        return found

    def begin_sibling(self) -> None:
        old = self.client
        row = Row(old.row.kind, old.row.call, handle=old.handle, rung="replay")
        self.client = ModelClient.found(row, self.server, forked=True)
        self.client.now = old.now

    # What always holds

    @invariant()
    def what_is_shown_is_what_the_server_said(self) -> None:
        if hasattr(self, "client"):
            self.check_text(self.client.text)

    def check_text(self, text: str) -> None:
        if any(seam.missing for part in self.client.fold.reply.parts for seam in part.seams):
            assert any(is_within(text, version) for version in self.versions)
        else:
            assert any(version.startswith(text) for version in self.versions), text

    @invariant()
    def nothing_is_paid_for_twice(self) -> None:
        if hasattr(self, "client"):
            assert self.server.generations <= 1

    @invariant()
    def it_ends_once_and_a_stop_is_not_forgotten(self) -> None:
        if hasattr(self, "client"):
            machine = self.client.machine
            assert len(self.client.settles) == machine.ended
            assert machine.state in State
            if self.client.row.state == "stopping":
                assert machine.ended or machine.state is State.CANCELLING

    def check_end(self) -> None:
        """The end that was just written is true."""
        client, row = self.client, self.client.row
        verdict = client.fold.reply.verdict
        seams = [seam for part in client.fold.reply.parts for seam in part.seams]
        self.check_text(client.text)
        match EndState(row.state):
            case EndState.COMPLETE:
                assert verdict is not None
                assert client.text in self.versions or any(seam.missing for seam in seams)
            case EndState.STOPPED:
                assert "stop" in self.causes
                doubtful = "did not confirm" in row.note or "may go on" in row.note
                assert doubtful or not (client.cancel and self.server.generating)
            case EndState.CUT:
                if "no progress" in row.note or "still works" in row.note:
                    self.causes.add("gave up")
                assert self.causes, row.note
            case EndState.FAILED:
                assert not self.server.generations or "refused" in self.causes
            case EndState.EXPIRED:
                assert self.causes & {"expired", "refused"} or self.server.window_closed

    # However it went, from here on all goes well: then it ends

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        for _ in range(300):
            if self.over:
                break
            self.go_on(100)
            self.what_is_shown_is_what_the_server_said()
        assert self.over, "it hangs"


def is_within(text: str, whole: str) -> bool:
    """Whether `text` is `whole` with some of it left out."""
    rest = iter(whole)
    return all(char in rest for char in text)


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=150, stateful_step_count=30)
