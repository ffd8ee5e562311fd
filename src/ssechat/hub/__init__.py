"""The hub: owns the live streams of a process."""

from ssechat.hub.hub import Hub, Question
from ssechat.hub.live import Live

__all__ = ["Hub", "Live", "Question"]
