"""Scripts sent in groups: what is asked for while a group is on its way goes with the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ssechat.journal.redis.scripts import Script
from ssechat.journal.redis.server import Server

Value = bytes | str | int | float
_MOST = 256  # scripts in a group


class _Job(NamedTuple):
    script: Script
    keys: Sequence[str]
    values: Sequence[Value]
    future: asyncio.Future[Any]


class Writer:
    """One group at a time, so scripts run in the order in which they were asked for."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waiting: list[_Job] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, script: Script, keys: Sequence[str], *values: Value) -> Any:
        """What the script returns. Raises Gone; it may have run all the same."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(script, keys, values, future))
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                for job, answer in zip(group, await self._sent(group), strict=True):
                    if job.future.done():
                        continue
                    if isinstance(answer, Exception):
                        job.future.set_exception(self._server.problem(answer))
                    else:
                        job.future.set_result(answer)
        finally:
            self._task = None

    async def _sent(self, group: list[_Job]) -> list[Any]:
        from redis.exceptions import NoScriptError

        try:
            answers = await self._run(group)
            unknown = [at for at, one in enumerate(answers) if isinstance(one, NoScriptError)]
            for at in unknown:  # Redis was restarted, or a node is new
                answers[at] = await self._taught(group[at])
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, whatever it is
            return [error] * len(group)
        return answers

    async def _run(self, group: list[_Job]) -> list[Any]:
        client = self._server.client
        if len(group) == 1 or self._server.cluster:
            asked = (
                client.evalsha(job.script.sha, len(job.keys), *job.keys, *job.values)
                for job in group
            )
            return await asyncio.gather(*asked, return_exceptions=True)
        async with client.pipeline(transaction=False) as pipe:
            for job in group:
                pipe.evalsha(job.script.sha, len(job.keys), *job.keys, *job.values)
            return await pipe.execute(raise_on_error=False)

    async def _taught(self, job: _Job) -> Any:
        try:
            return await self._server.client.eval(
                job.script.text, len(job.keys), *job.keys, *job.values
            )
        except Exception as error:  # noqa: BLE001 - the one who asked is told
            return error
