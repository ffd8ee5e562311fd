"""The hub: owns the live streams of a process."""

from ssechat.hub.hub import Hub
from ssechat.hub.live import Live
from ssechat.hub.prompts import Question
from ssechat.hub.streams import Streams

__all__ = ["Hub", "Live", "Question", "Streams"]
