"""`ssechat ask` as a real process: what it sends, prints and returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssechat.journal import MessageRow
from support.fault_server import FaultServer, Handler, Request, Wire
from support.hubs import HERE, finish, opened, say, thoughts
from support.programs import Done, configure, run


def chunk(**choice: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {}, **choice}]})


async def answers(request: Request, wire: Wire) -> None:
    """Thinking, two words of the answer, usage."""
    await wire.open_stream()
    await wire.event(thoughts("let me see"), id="t1")
    await say(wire, "Grüße, ", "傅里叶")
    await wire.event(chunk(finish_reason="stop"))
    await wire.event(json.dumps({"choices": [], "usage": {"completion_tokens": 7}}))
    await wire.event("[DONE]")
    await wire.end()


def ends(*data: str, cut: bool = False, status: int = 200, headers: Any = None) -> Handler:
    """A word, then this data; or no stream at all, but a status."""

    async def handler(request: Request, wire: Wire) -> None:
        if status != 200:
            await wire.reply(status, json.dumps({"error": {"message": "no"}}))
            return
        await wire.open_stream(headers)
        await say(wire, "word", ids="e{}" if headers else "")
        for each in data:
            await wire.event(each)
        await (wire.end() if not cut else wire.hang() if headers else _cut(wire))

    return handler


async def _cut(wire: Wire) -> None:
    wire.cut()


async def ask(home: Path, server: FaultServer, *arguments: str, **how: Any) -> Done:
    configure(home, server.base_url)
    return await run(home, "ask", *arguments, **how)


async def last_answer(home: Path) -> MessageRow:
    async with opened(home / "data") as hub:
        (conversation,) = await hub.journal.conversations()
        return (await hub.journal.path(conversation.id))[-1]


def lines(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


async def test_the_answer_and_nothing_else_goes_to_standard_output(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        done = await ask(tmp_path, server, "why?")
    assert done == (0, "Grüße, 傅里叶\n", "")
    assert (await last_answer(tmp_path)).text == "Grüße, 傅里叶"


async def test_thinking_goes_to_standard_error_if_it_is_asked_for(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        done = await ask(tmp_path, server, "why?", "--thinking")
    assert done == (0, "Grüße, 傅里叶\n", "let me see\n")


@pytest.mark.parametrize(
    ("handler", "code", "state"),
    [
        (ends(chunk(finish_reason="stop")), 0, "complete"),
        (ends(chunk(finish_reason="length")), 4, "length"),
        (ends(chunk(finish_reason="content_filter")), 4, "refused"),
        (ends(cut=True), 3, "cut"),
        (ends(), 3, "cut"),
        (ends(json.dumps({"error": {"message": "broken"}})), 1, "failed"),
        (ends(status=401), 1, "failed"),
    ],
    ids=["complete", "length", "refused", "cut", "clean end", "error", "401"],
)
async def test_the_exit_code_tells_how_it_ended(
    handler: Handler, code: int, state: str, tmp_path: Path
) -> None:
    async with FaultServer(handler) as server:
        done = await ask(tmp_path, server, "why?")
    assert done.code == code, done
    assert done.out == ("" if "401" in done.err else "word\n")
    assert "Traceback" not in done.err
    first = done.err.partition("\n")[0]
    assert first == "" if code == 0 else first.startswith(f"ssechat: {state}")
    assert (await last_answer(tmp_path)).state == state


async def test_a_stream_that_the_server_forgot_is_expired(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(404)
        else:
            await wire.open_stream(HERE)
            await say(wire, "word")
            wire.cut()

    async with FaultServer(handler) as server:
        done = await ask(tmp_path, server, "why?")
    assert (done.code, done.out) == (1, "word\n")
    assert done.err.startswith("ssechat: expired")


async def test_after_a_cut_it_says_whether_and_how_to_go_on(tmp_path: Path) -> None:
    async def gives_up(request: Request, wire: Wire) -> None:
        if request.method == "GET":
            await wire.reply(403)
        else:
            await wire.open_stream(HERE)
            await say(wire, "word")
            wire.cut()

    async with FaultServer(gives_up) as server:
        can = await ask(tmp_path / "can", server, "why?")
    async with FaultServer(ends(cut=True)) as server:
        cannot = await ask(tmp_path / "cannot", server, "why?")
    row = await last_answer(tmp_path / "can")
    assert can.code == cannot.code == 3
    assert f"ssechat resume {row.stream_id}" in can.err
    assert "cannot resume" in cannot.err
    assert "history" in can.err
    assert "history" in cannot.err


async def test_a_cut_is_resumed_and_only_the_text_is_printed(tmp_path: Path) -> None:
    async def handler(request: Request, wire: Wire) -> None:
        await wire.open_stream(HERE)
        if request.method == "GET":
            await say(wire, "b", first=2)
            await finish(wire, 3)
        else:
            await say(wire, "a ")
            wire.cut()

    async with FaultServer(handler) as server:
        done = await ask(tmp_path, server, "why?")
    assert done == (0, "a b\n", "")


async def test_standard_input_and_files_are_added_to_the_prompt(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("in the file")
    async with FaultServer(answers) as server:
        await ask(tmp_path, server, "why?", "--attach", str(note), stdin=b"from the pipe\n")
        await ask(tmp_path, server, "-", "--system", "be brief", stdin="nur von hier ü".encode())
        await ask(tmp_path, server, "only this")
        sent = [request.json()["messages"] for request in server.requests]
    assert sent[0] == [
        {
            "role": "user",
            "content": "why?\n\nfrom the pipe\n\n\n`note.txt`:\n```\nin the file\n```",
        }
    ]
    assert sent[1] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "nur von hier ü"},
    ]
    assert sent[2] == [{"role": "user", "content": "only this"}]


async def test_the_model_can_be_chosen(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        await ask(tmp_path, server, "why?", "--model", "another", "--profile", "test")
        assert server.requests[0].json()["model"] == "another"


async def test_json_is_one_object_a_line_and_the_end_tells_the_measures(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        done = await ask(tmp_path, server, "why?", "--json")
    assert (done.code, done.err) == (0, "")
    found = lines(done)
    row = await last_answer(tmp_path)
    assert found[0]["type"] == "meta"
    assert found[0]["stream"] == row.stream_id
    of_type = {
        kind: [one for one in found if one["type"] == kind]
        for kind in ("state", "thinking", "text", "usage", "end")
    }
    assert [one["state"] for one in of_type["state"]] == ["submitting", "waiting", "streaming"]
    assert [one["text"] for one in of_type["thinking"]] == ["let me see"]
    assert [one["text"] for one in of_type["text"]] == ["Grüße, ", "傅里叶"]
    assert of_type["usage"][-1]["output"] == 7
    (end,) = of_type["end"]
    assert found[-1] is end
    told = {name: end[name] for name in ("state", "note", "stream", "tokens", "resumes")}
    assert told == {
        "state": "complete",
        "note": "",
        "stream": row.stream_id,
        "tokens": 7,
        "resumes": 0,
    }
    assert 0 < end["ttfb_ms"] <= end["ttft_ms"] < 5000
    assert "tokens_per_second" in end


async def test_json_of_a_failure_ends_with_its_state(tmp_path: Path) -> None:
    async with FaultServer(ends(status=401)) as server:
        done = await ask(tmp_path, server, "why?", "--json")
    assert done.code == 1
    assert lines(done)[-1]["state"] == "failed"
    assert "401" in lines(done)[-1]["note"]


async def test_the_demo_answers_without_a_configuration(tmp_path: Path) -> None:
    done = await run(tmp_path, "ask", "--demo", "hello #rate=5000")
    assert (done.code, done.err) == (0, "")
    row = await last_answer(tmp_path)
    assert done.out.rstrip("\n") == row.text.rstrip("\n")
    assert len(row.text) > 2000


async def test_textual_is_not_loaded(tmp_path: Path) -> None:
    async with FaultServer(answers) as server:
        done = await ask(tmp_path, server, "why?", PYTHONPROFILEIMPORTTIME="1")
    assert done.code == 0
    assert "textual" not in done.err
    assert "starlette" not in done.err
