"""`ssechat ask`: one answer to standard output, as it streams."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path

import click

from ssechat.cli import INTERRUPTED, report
from ssechat.cli.ask_output import JsonOutput, Output, TextOutput, printing
from ssechat.core.deltas import EndState
from ssechat.core.dialects import Dialect, dialect
from ssechat.core.errors import ConfigProblem, Problem
from ssechat.core.fold import Fold
from ssechat.core.safe import clean_line
from ssechat.hub import Hub, Live, Question
from ssechat.session import Session
from ssechat.settings import Profile

EXIT = {
    EndState.COMPLETE: 0,
    EndState.STOPPED: INTERRUPTED,
    EndState.CUT: 3,
    EndState.LENGTH: 4,
    EndState.REFUSED: 4,
    EndState.FAILED: 1,
    EndState.EXPIRED: 1,
}
_ATTACHMENT_LIMIT = 4 * 2**20  # bytes
_STOP_TIME = 3.0  # s that a closed pipe waits for the server to confirm the stop

_EPILOG = """\b
Examples:
  ssechat ask "what does SIGHUP do?"
  git diff | ssechat ask "review this"
  ssechat ask --demo --json "hello" | jq -r 'select(.type == "text").text'
\b
Exit codes: 0 complete, 1 failed, 2 usage or configuration, 3 cut, 4 ended by a limit or refused,
130 stopped with ctrl+c, 141 standard output was closed.
"""


@click.command("ask", epilog=_EPILOG)
@click.argument("prompt", required=False)
@click.option("--profile", metavar="P", help="A profile of config.toml, or a provider's name.")
@click.option("--model", metavar="M", help="The model, instead of the profile's.")
@click.option("--demo", is_flag=True, help="Use the built-in demo provider; needs no key.")
@click.option("--system", metavar="TEXT", default="", help="Instructions before the prompt.")
@click.option(
    "--attach", metavar="FILE", multiple=True, help="Add a text file to the prompt; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--thinking", is_flag=True, help="Show the model's thinking too, on standard error.")
def command(
    prompt: str | None,
    profile: str | None,
    model: str | None,
    demo: bool,
    system: str,
    attach: tuple[str, ...],
    as_json: bool,
    thinking: bool,
) -> None:
    """One answer to PROMPT on standard output, as it streams; nothing else goes there.

    Standard input, if it is not a terminal, is added to the prompt; `-` takes it alone.
    """
    text = _prompt(prompt, attach)
    with printing():
        output = JsonOutput() if as_json else TextOutput(thinking)
        sys.exit(asyncio.run(_run(text, output, profile, model, demo, system)))


def _prompt(prompt: str | None, attach: tuple[str, ...]) -> str:
    """The prompt, then standard input, then the attached files. ConfigProblem if all are empty."""
    parts = [] if prompt in (None, "-") else [str(prompt)]
    if sys.stdin is not None and (prompt == "-" or not sys.stdin.isatty()):
        parts.append(_decoded(sys.stdin.buffer.read(), "standard input"))
    parts += [_fenced(name, _attachment(name)) for name in attach]
    text = "\n\n".join(part for part in parts if part.strip())
    if not text:
        raise ConfigProblem("there is no prompt", remedy='try: ssechat ask "why is the sky blue?"')
    return text


def _fenced(name: str, text: str) -> str:
    """The file under its name, in a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"`{Path(name).name}`:\n{fence}\n{text}\n{fence}"


def _attachment(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            body = file.read(_ATTACHMENT_LIMIT + 1)
    except OSError as error:
        raise ConfigProblem(f"{name} cannot be read: {error.strerror}") from None
    if len(body) > _ATTACHMENT_LIMIT:
        raise ConfigProblem(f"{name} is larger than {_ATTACHMENT_LIMIT // 2**20} MiB")
    return _decoded(body, name)


def _decoded(body: bytes, name: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise ConfigProblem(
            f"{name} is not UTF-8 text (byte {error.start})",
            remedy="only text can be sent; convert the file first",
        ) from None


async def _run(
    text: str, output: Output, profile: str | None, model: str | None, demo: bool, system: str
) -> int:
    session = await Session.open()
    try:
        for warning in session.warnings:
            click.echo(f"ssechat: {clean_line(str(warning), 400)}", err=True)
        choice = session.choose(profile=profile, model=model, demo=demo, ask=True)
        chosen = await session.ready(choice.profile)
        return await _answer(session.hub, chosen, text, system, output)
    finally:
        await session.close()


async def _answer(hub: Hub, profile: Profile, text: str, system: str, output: Output) -> int:
    live = await hub.submit(Question(profile, text=text, system=system))
    codec = dialect(profile.dialect, profile.options)
    answering = asyncio.ensure_future(_print(hub, live, codec, output))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, _interrupt, hub, live, answering)
    try:
        await answering
    except asyncio.CancelledError:
        if not answering.cancelled():
            raise
        report(Problem("stopping", remedy="the next start of ssechat asks the server again"))
        return INTERRUPTED
    except BrokenPipeError:
        hub.stop(live)
        await _wait(live.ended.wait(), _STOP_TIME)
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return explain(live)


def _interrupt(hub: Hub, live: Live, answering: asyncio.Future[None]) -> None:
    """ctrl+c stops the answer; once more, it waits no longer for the server to confirm."""
    if live.stopping:
        answering.cancel()
    hub.stop(live)


async def _print(hub: Hub, live: Live, codec: Dialect, output: Output) -> None:
    fold = Fold(codec.decoder())
    output.begin(live)
    async for frame in hub.subscribe(live):
        output.deltas(fold.take(frame))
    output.deltas(fold.close(0.0))
    output.end(live)


async def _wait(what: Awaitable[object], seconds: float) -> None:
    try:
        await asyncio.wait_for(what, seconds)
    except TimeoutError:
        pass


def explain(live: Live) -> int:
    """Say on standard error what a user must know of the end; the exit code."""
    assert live.outcome is not None
    end, note = live.outcome.end, live.outcome.note
    if end is not EndState.COMPLETE:
        remedy = live.problem.remedy if live.problem and EXIT[end] == 1 else ""
        if end is EndState.CUT:
            how = f"`ssechat resume {live.stream_id}`, or F6 in the app, goes on with it"
            if not live.kept:
                how = "this server cannot resume it"
                how += "; F6 in the app goes on by a new request" if live.continues else ""
            remedy = f"what came is kept in the history; {how}"
        report(Problem(f"{end}: {note}" if note else str(end), remedy=remedy))
    if (unsaved := live.unsaved) is not None:
        title = f"the end of this answer could not be saved: {unsaved.title}"
        report(Problem(title, detail=unsaved.detail, remedy=unsaved.remedy))
    return EXIT[end]
