"""The hub: owns the live streams of a process."""

from ssechat.hub.hub import Hub
from ssechat.hub.live import Live
from ssechat.hub.prompts import Question

__all__ = ["Hub", "Live", "Question"]
