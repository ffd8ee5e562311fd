"""A stream's clock and ids, and how streams are kept."""

from __future__ import annotations

import json
import stat
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssechat.core.deltas import EndState
from ssechat.core.errors import ConfigProblem
from ssechat.demo.faults import Pause
from ssechat.demo.provider import Full, OtherBody, Provider, digest
from ssechat.demo.script import script
from ssechat.demo.store import Store
from ssechat.demo.stream import AheadCursor, BadCursor, Stream, is_id, new_id
from support.demo_process import files, request

SECONDS = st.floats(0, 100)


def stream(**fields) -> Stream:
    usual = {
        "id": new_id(),
        "dialect": "anthropic",
        "model": "demo",
        "key": "",
        "digest": "",
        "began": 1000.0,
        "rate": 10.0,
        "slow": 0.0,
        "stalls": (),
        "total": 50,
        "natural": EndState.COMPLETE,
        "fingerprint": "",
    }
    return Stream(**usual | fields)


def body(prompt: str) -> bytes:
    return json.dumps(request(prompt)).encode()


def started(provider: Provider, prompt: str, key: str = "") -> Stream:
    sent = body(prompt)
    return provider.start("anthropic", sent, script("anthropic", sent), key)


def test_events_are_due_one_by_one():
    one = stream()
    assert one.due(1) == pytest.approx(1000.1)
    assert [one.due_by(1000.05 + n / 10) for n in range(4)] == [0, 1, 2, 3]
    assert one.due_by(9999) == 50


def test_a_stall_moves_what_comes_after_it():
    one = stream(stalls=(Pause(5, 2.0),), slow=1.0)
    assert one.due(5) == pytest.approx(1001.5)
    assert one.due(6) == pytest.approx(1003.6)
    assert one.stalls_after(5)


@given(st.integers(0, 60), SECONDS, st.lists(st.tuples(st.integers(0, 60), SECONDS), max_size=4))
def test_an_event_counts_as_due_exactly_from_its_time_on(number, slow, stalls):
    one = stream(slow=slow, stalls=tuple(Pause(*stall) for stall in stalls))
    number = min(max(number, 1), one.total)
    assert one.due_by(one.due(number)) >= number
    assert one.due_by(one.due(number) - 0.001) < number


def test_a_stopped_stream_ends_where_it_was():
    one = stream(stopped=7, stopped_at=1000.75)
    assert one.last == one.due_by(9999) == 7
    assert one.state(9999) == "stopped"


def test_the_state_is_live_until_the_last_event_is_due():
    one = stream()
    assert one.state(one.due(50) - 0.01) == "live"
    assert one.state(one.due(50)) == "complete"


@given(st.integers(1, 50))
def test_an_id_names_its_event(number):
    one = stream()
    assert one.number(one.event_id(number)) == number


@pytest.mark.parametrize(
    "cursor", ["x", "1-3", "{}.1-0", "{}.1-03", "{}.0-1", "{}.1", "{}.1-3 ", "{}.1-٣", "{}.1--3"]
)
def test_a_malformed_cursor_is_refused(cursor):
    one = stream()
    with pytest.raises(BadCursor):
        one.number(cursor.format(one.id))


def test_another_streams_cursor_is_refused():
    with pytest.raises(BadCursor, match="another stream"):
        stream().number(stream().event_id(3))


@pytest.mark.parametrize("cursor", ["{}.1-51", "{}.2-1"])
def test_a_cursor_from_the_future_is_told_apart(cursor):
    one = stream()
    with pytest.raises(AheadCursor):
        one.number(cursor.format(one.id))


def test_ids_are_new_and_hold_160_bits():
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(is_id(one) and len(one) == 35 for one in ids)


@given(st.text())
def test_no_text_becomes_a_path(text):
    assert not is_id(text) or text.isalnum() or "_" in text
    assert not is_id(f"../{text}")
    assert not is_id(f"{text}/x")


def test_files_are_private(tmp_path):
    state = tmp_path / "a" / "b"
    started(Provider(Store(state), 40), "hello")
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(state)] == [0o600]
    assert stat.S_IMODE((state / "streams").stat().st_mode) == 0o700
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_restart_finds_the_same_stream_and_script(tmp_path):
    before = Provider(Store(tmp_path), 40)
    one = started(before, "hello", key="k")
    before.fire(one, "cut:3")
    after = Provider(Store(tmp_path), 1)
    again = after.find(one.id)
    assert again == one
    assert after.script(again) == before.script(one)
    assert not after.fire(again, "cut:3")
    assert after.known("k", one.digest) == one


def test_another_answer_is_not_continued(tmp_path):
    provider = Provider(Store(tmp_path), 40)
    one = started(provider, "hello")
    one.fingerprint = "of another version"
    assert provider.script(one) is None


def test_an_old_stream_goes_and_a_young_one_stays(tmp_path):
    store = Store(tmp_path)
    old, young = stream(began=time.time() - 4000), stream(began=time.time() - 3000)
    for one in (old, young):
        store.add(one, b"{}")
    provider = Provider(Store(tmp_path), 40)
    assert provider.find(old.id) is None
    assert provider.find(young.id) == young


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"stream":{},"body":""}'])
def test_a_damaged_file_is_removed_and_does_no_harm(tmp_path, content):
    store = Store(tmp_path)
    (tmp_path / "streams" / f"{new_id()}.json").write_bytes(content)
    assert store.load() == []
    assert files(tmp_path) == []


def test_a_file_under_another_streams_name_is_not_believed(tmp_path):
    store, one = Store(tmp_path), stream()
    store.add(one, b"{}")
    files(tmp_path)[0].rename(tmp_path / "streams" / f"{new_id()}.json")
    assert store.load() == []


def test_foreign_files_are_left_alone(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "streams" / "notes.json").write_text("mine")
    store.load()
    assert len(files(tmp_path)) == 1


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "streams").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigProblem):
        Store(tmp_path)


def test_the_number_of_streams_is_bounded_and_live_ones_are_not_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr("ssechat.demo.provider._MOST_STREAMS", 2)
    provider = Provider(Store(tmp_path), 0.1)
    first, second = started(provider, "hello"), started(provider, "hello")
    with pytest.raises(Full):
        started(provider, "hello")
    provider.stop(second)
    third = started(provider, "hello")
    assert provider.find(second.id) is None
    assert provider.find(first.id) is first
    assert len(files(tmp_path)) == 2
    assert third.id != first.id


def test_a_key_belongs_to_one_body(tmp_path):
    provider = Provider(Store(tmp_path), 40)
    started(provider, "hello", key="k")
    with pytest.raises(OtherBody):
        provider.known("k", digest("anthropic", body("rust")))


def test_the_fast_model_speaks_four_times_as_fast(tmp_path):
    provider = Provider(Store(tmp_path), 10)
    sent = json.dumps(request("hello", model="demo-fast")).encode()
    fast = provider.start("anthropic", sent, script("anthropic", sent), "")
    assert fast.rate == 4 * started(provider, "hello").rate == 40
