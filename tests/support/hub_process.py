"""A hub in a process of its own, to be killed: `hub_process.py FOLDER BASE_URL [PROFILE]`.

It asks one question, prints the stream's id, and holds the stream until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.hubs import ask, opened, profile


async def _hold(folder: Path, base_url: str, name: str) -> None:
    async with opened(folder) as hub:
        live = await ask(hub, profile(base_url, name=name))
        print(live.stream_id, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    folder, base_url, name = Path(sys.argv[1]), sys.argv[2], [*sys.argv, "test"][3]
    asyncio.run(_hold(folder, base_url, name))
