"""A client, a server and what lies between them: what may happen there, and what must then hold."""

from __future__ import annotations

from ssechat.core.deltas import EndState
from ssechat.core.frames import MarkName
from ssechat.core.overlap import Overlap
from ssechat.core.resume import Fired, State
from ssechat.core.resume.limits import BUSY, TOO_MUCH
from ssechat.core.splice import Ordering
from support.model_client import ModelClient, Row
from support.model_reading import Reading
from support.model_server import Line, ModelServer, Terms

PASSING = (429, 502, 503)
"""What a server or a proxy may say that passes."""
FINAL = (204, 400, 401, 404, 410)
"""What it may say for good."""
_TURNS = 300
"""More than any stream needs to come to its end once all goes well."""


class World:
    """`causes` is why an answer need not be whole; `versions` what the whole answer is, behind the
    text that it goes on from, or was before the server made another one."""

    def begin(self, terms: Terms, goes_on_from: str = "") -> None:
        self.terms = terms
        self.server = ModelServer(terms)
        self.client = ModelClient.submitted(Row(terms.kind), self.server, 1_000.0)
        self.causes: set[str] = set()
        self.partial = goes_on_from
        self.versions: set[str] = set()
        self.untrimmed: set[str] = set()
        self.answers_with(terms)
        self.may_post = True
        if goes_on_from:
            self.client.goes_on_from(goes_on_from)
            self.client.commit()

    def answers_with(self, terms: Terms) -> None:
        overlap = Overlap(self.partial)
        trimmed = overlap.feed(terms.text) + overlap.close()
        self.versions.add(self.partial + trimmed)
        self.untrimmed.add(self.partial + terms.text)

    @property
    def over(self) -> bool:
        return self.client.row.over

    @property
    def connecting(self) -> bool:
        return self.client.reading is not None and self.client.reading.connecting

    @property
    def line(self) -> Line | None:
        return self.client.reading.line if self.client.reading else None

    @property
    def reading(self) -> Reading:
        assert self.client.reading is not None
        return self.client.reading

    @property
    def counted(self) -> bool:
        """Whether the client counts the events of the open connection."""
        return self.line is not None and self.reading.ordering in (
            Ordering.RELAY,
            Ordering.SEQUENCE,
        )

    # What may happen

    def go_on(self, count: int) -> None:
        """The next thing that is due, without trouble; of events, so many at once."""
        client = self.client
        client.commit()
        if client.unsaved:
            client.save_handle()
        self.server.make(count)
        if client.settling:
            self.write_end()
        elif client.stops:
            client.stop_goes_on("")
        elif client.polls:
            self.answer_poll(200)
        elif self.connecting:
            self.answer(200)
        elif self.line is not None:
            self.go_on_sending(count)
        else:
            self.fire()

    def go_on_sending(self, count: int) -> None:
        if data := self.server.send(count):
            self.reading.receive(data)
        elif not self.server.generating:
            self.note_loss()
            self.reading.body_ended()

    def finish(self) -> None:
        """However it went, from here on all goes well: then it ends."""
        for _ in range(_TURNS):
            if self.over:
                return
            self.go_on(100)
            self.check_text()
        raise AssertionError("it hangs")

    def fire(self) -> None:
        client = self.client
        assert client.timer is not None, "nothing is due"
        client.now, client.timer = max(client.now, client.timer), None
        client.tell(Fired())

    def answer(self, status: int | None) -> None:
        """The request is answered; 200: as the server means it, else by what stands before it."""
        self.client.commit()
        if not self.connecting:
            return
        reading = self.reading
        said = reading.request() if status == 200 else status
        self.post_leaves()
        reading.sent()
        if isinstance(said, Line):
            reading.opened(said)
            return
        if said not in PASSING:
            self.causes.add("refused")
        if said in BUSY | TOO_MUCH and not reading.how.resume:
            self.may_post = True
        reading.refused(said)

    def post_leaves(self) -> None:
        """A request for a new answer is sent: may it be?"""
        if not self.reading.how.resume:
            assert self.may_post or self.client.row.key, "a second answer is asked for"
            self.may_post = False

    def note_loss(self) -> None:
        """The connection goes: is there a way back?"""
        live = self.client.live
        if not (self.terms.alone and (live.kept or self.client.row.key)):
            self.causes.add("no way back")

    def answer_poll(self, status: int | None) -> None:
        client = self.client
        poll = client.out.poll(client.live)
        assert poll is not None
        said = self.server.get(poll, "") if status == 200 else status
        assert not isinstance(said, Line)
        if isinstance(said, int) and said not in PASSING:
            self.causes.add("refused")
        client.object_came(said)

    def write_end(self) -> None:
        self.client.write_end()
        self.check_end()
        if self.client.forked:
            old = self.client
            marks = [frame for frame in old.row.frames if frame.event == MarkName.CONTINUED]
            row = Row(old.row.kind, handle=old.live.handle, rung="replay", frames=marks)
            self.client = ModelClient.found(row, self.server, old.now, forked=True)

    def take_up(self, row: Row) -> None:
        """A new life of a stream."""
        self.client = ModelClient.found(row, self.server, self.client.now)
        self.note_loss()

    # What must hold

    def check(self) -> None:
        """After every step."""
        self.check_text()
        assert self.server.generations <= 1, "it was paid for twice"
        machine = self.client.machine
        assert machine.state in State
        assert len(self.client.settles) == machine.ended
        if self.client.row.state == "stopping":
            assert machine.ended or machine.state is State.CANCELLING

    def check_text(self) -> None:
        """What is shown is the beginning of what the server said, but for a gap that is marked."""
        text, versions = self.client.text, self.versions
        if self.over and self.client.row.state != EndState.COMPLETE:
            versions = versions | self.untrimmed  # it broke off within a repetition
        if self.gaps:
            assert any(is_within(text, version) for version in versions), text
        else:
            assert any(version.startswith(text) for version in versions), text

    @property
    def gaps(self) -> bool:
        parts = self.client.live.fold.reply.parts
        return any(seam.missing for part in parts for seam in part.seams)

    def check_end(self) -> None:
        """The end that was just written is true."""
        client, row = self.client, self.client.row
        self.check_text()
        match EndState(row.state):
            case EndState.COMPLETE:
                assert client.live.fold.reply.verdict is not None
                assert client.text in self.versions or self.gaps
            case EndState.STOPPED:
                assert "stop" in self.causes
                doubtful = "did not confirm" in row.note or "may go on" in row.note
                can_stop = client.out.cancel(client.live) is not None
                assert doubtful or not (can_stop and self.server.generating)
            case EndState.CUT:
                if "no progress" in row.note or "still works" in row.note:
                    self.causes.add("gave up")
                assert self.causes, row.note
            case EndState.FAILED:
                assert not self.server.generations or self.causes & {"refused", "a hole"}
            case EndState.EXPIRED:
                assert self.causes & {"expired", "refused"} or self.server.window_closed


def is_within(text: str, whole: str) -> bool:
    """Whether `text` is `whole` with some of it left out."""
    rest = iter(whole)
    return all(char in rest for char in text)
