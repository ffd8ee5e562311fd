"""A hub in a process to be killed: `hub_process.py FOLDER BASE_URL [PROFILE [DIALECT]]`.

It asks one question, prints the stream's id, and holds the stream until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.hubs import ask, opened, profile


async def _hold(folder: Path, base_url: str, name: str = "test", *dialect: str) -> None:
    async with opened(folder) as hub:
        live = await ask(hub, profile(base_url, *dialect, name=name))
        print(live.stream_id, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold(Path(sys.argv[1]), *sys.argv[2:]))
