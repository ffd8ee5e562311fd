"""`ssechat`: the full-screen app."""

from __future__ import annotations

import asyncio


def run(
    *, profile: str | None, model: str | None, demo: bool, direct: bool, take_over: bool
) -> int:
    """Open the session, run the app, close it; the exit code. Raises Problem before the app."""
    return asyncio.run(_run(profile, model, demo, direct, take_over))


async def _run(
    profile: str | None, model: str | None, demo: bool, direct: bool, take_over: bool
) -> int:
    from ssechat.session import Session

    session = await Session.open()
    session.background.wanted = not direct
    try:
        choice = session.choose(profile=profile, model=model, demo=demo)
        from ssechat.tui import app
        from ssechat.tui.collecting import Collecting

        return await app.run(session, choice, take_over=take_over, idle=Collecting().idle)
    finally:
        await session.close()
