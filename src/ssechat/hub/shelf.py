"""What a hub holds of streams that have ended."""

from __future__ import annotations

from ssechat.hub.live import Live
from ssechat.hub.pump import Pump


def let_go(lives: dict[str, Live], pumps: dict[str, Pump]) -> None:
    """Forget, by stream id, what has ended and nobody looks at; of the rest that has ended, the
    media. The journal has it all. A stream whose server wanted a humbler request is remembered."""
    for id, live in tuple(lives.items()):
        pump = pumps.get(id)
        if not live.ended.is_set() or live.unsaved is not None:
            continue
        if live.watched or live.humble or (pump and not pump.idle):
            live.fold.reply.forget_media()
        else:
            del lives[id]
            pumps.pop(id, None)
