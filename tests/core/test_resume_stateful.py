"""Everything that can happen to a stream, in any order, at a server that makes sense.

Hypothesis plays the network, the server, the user and the machine's death; the client is made of
the real pure parts (support/model_client.py). Whatever it plays: what is shown is what the server
said, once each, in order; an end says the truth; nothing is paid for twice; nothing hangs.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ssechat.core.overlap import SHORTEST
from ssechat.core.resume import KEPT, Detached, Quiet, Stopped, Unreached
from ssechat.core.schemes import rung
from support.model_server import KINDS, RESUMED, Terms
from support.model_world import FINAL, PASSING, World

WORDS = st.sampled_from(["a", "ha ", "b ", "é"])
STATUSES = st.one_of(st.sampled_from(PASSING), st.sampled_from([None, *PASSING, *FINAL]))
TEXTS = st.lists(WORDS, min_size=1, max_size=14).map(tuple)
HOW = ["reset"] * 4 + ["cleanly"] * 4 + ["too large"]


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    kind = draw(st.sampled_from([*KINDS, *RESUMED]))
    return Terms(
        kind,
        draw(TEXTS),
        alone=kind != "none" and (kind not in ("kept", "llama") or draw(st.booleans())),
        named=tuple(draw(st.lists(st.booleans(), max_size=16))) if kind == "location" else (),
        back=draw(st.integers(0, 3)) if kind == "location" else 0,
        noise=draw(st.sampled_from([b"", b": ping\n\n", b": ping\n", b"retry: 1500\n\n"])),
        grants=draw(st.sampled_from([True, True, True, False])),
    )


class Streams(World, RuleBasedStateMachine):
    @initialize(terms=terms(), steps=st.integers(0, 5), count=st.integers(1, 2))
    def it_is_asked(self, terms: Terms, steps: int, count: int) -> None:
        self.begin(terms)
        self.it_goes_on(steps, count)

    @precondition(lambda self: self.over)
    @rule(terms=terms(), steps=st.integers(0, 5), count=st.integers(1, 2))
    def another_is_asked(self, terms: Terms, steps: int, count: int) -> None:
        self.it_is_asked(terms, steps, count)

    @precondition(lambda self: not self.over)
    @rule(steps=st.integers(1, 4), count=st.integers(1, 2))
    def it_goes_on(self, steps: int, count: int) -> None:
        for _ in range(steps):
            if not self.over:
                self.go_on(count)

    @precondition(lambda self: self.line)
    @rule(count=st.integers(1, 2))
    def events_arrive_and_are_committed(self, count: int) -> None:
        self.go_on(count)
        self.client.commit()

    # The network

    @property
    def resumed_by_location(self) -> bool:
        """Only what was asked for again may come twice there: a server's ids may mean anything."""
        return self.terms.kind == "location" and self.client.live.fold.resumes > 0

    @precondition(lambda self: self.connecting)
    @rule(how=st.sampled_from(["unreached", "lost before", "lost after"]))
    def the_request_fails(self, how: str) -> None:
        self.client.commit()
        if not self.connecting:
            return
        self.note_loss()
        reading = self.reading
        if how == "unreached":
            reading.ends(Unreached("no route"))
            return
        if how == "lost after":
            reading.request()
            self.server.hang_up()
        self.post_leaves()
        reading.sent()
        reading.lost("reset")

    @precondition(lambda self: self.connecting)
    @rule(status=STATUSES)
    def the_request_is_refused(self, status: int | None) -> None:
        self.answer(status)

    @precondition(lambda self: self.line)
    @rule(made=st.integers(0, 3), count=st.integers(1, 4))
    def events_arrive(self, made: int, count: int) -> None:
        """They wait to be committed."""
        self.server.make(made)
        if data := self.server.send(count):
            self.reading.receive(data)

    @precondition(lambda self: self.line)
    @rule(part=st.floats(0, 1), how=st.sampled_from(HOW))
    def the_connection_is_cut(self, part: float, how: str) -> None:
        """In the middle of an event, or of a character."""
        reading = self.reading
        data = self.server.send(1)
        reading.receive(data[: int(len(data) * part)])
        self.client.commit()
        if reading.over or reading.done:
            return
        self.note_loss()
        if how == "cleanly":
            reading.body_ended()
        elif how == "too large":
            self.causes.add("refused")
            reading.refused(None)
        else:
            reading.lost("the connection was cut")

    @precondition(lambda self: self.line and (self.counted or self.resumed_by_location))
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

    @precondition(lambda self: self.client.live.handle.scheme == "llama" and not self.terms.alone)
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

    @precondition(lambda self: self.terms.kind == "replay" and self.client.live.kept)
    @rule(pieces=TEXTS)
    def it_makes_another_answer(self, pieces: tuple[str, ...]) -> None:
        self.causes.add("another answer")
        if self.line is not None:
            self.reading.lost("the server was started again")
        self.terms = Terms("replay", pieces)
        self.server.regenerate(self.terms)
        self.answers_with(self.terms)

    # The journal and the clock

    @precondition(lambda self: self.client.waiting)
    @rule()
    def frames_are_committed(self) -> None:
        self.client.commit()

    @precondition(lambda self: self.client.settling)
    @rule()
    def the_end_is_written(self) -> None:
        self.write_end()

    @precondition(lambda self: self.client.timer is not None)
    @rule()
    def the_timer_fires(self) -> None:
        self.fire()

    @precondition(lambda self: not self.over)
    @rule(seconds=st.sampled_from([1.0, 20.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        client = self.client
        client.now += seconds
        if self.line is not None:
            client.tell(Quiet(seconds))
        if client.timer is not None and client.now >= client.timer:
            self.fire()

    # Short requests

    @precondition(lambda self: self.client.polls)
    @rule(status=STATUSES)
    def the_poll_is_refused(self, status: int | None) -> None:
        self.answer_poll(status)

    @precondition(lambda self: self.client.stops)
    @rule(why=st.sampled_from(["", "status 500"]))
    def a_stop_goes_on(self, why: str) -> None:
        self.client.stop_goes_on(why)

    # The user, and the machine

    @precondition(lambda self: not self.client.machine.ended)
    @rule()
    def the_user_stops(self) -> None:
        self.causes.add("stop")
        self.client.tell(Stopped())

    @precondition(lambda self: not self.client.machine.ended and self.client.live.outlives)
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
        self.take_up(row)

    @precondition(lambda self: self.client.row.state == "cut")
    @rule()
    def the_user_resumes(self) -> None:
        row = self.client.row
        if rung(row.handle, row.cursor) in KEPT:
            self.causes -= {"detach", "gave up"}
            row.state = "live"
            self.take_up(row)

    @precondition(lambda self: self.over and self.client.text.strip())
    @rule(terms=terms(), again=st.integers(0, 40))
    def the_user_goes_on_by_a_new_request(self, terms: Terms, again: int) -> None:
        """The new answer may begin by repeating the end of the old one."""
        partial = self.client.text.rstrip()
        repeats = (partial[-again:],) if again >= SHORTEST else ()
        self.begin(replace(terms, pieces=repeats + terms.pieces), partial)

    # What always holds

    @invariant()
    def all_is_true(self) -> None:
        if hasattr(self, "client"):
            self.check()

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.finish()


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=200, stateful_step_count=40)
