"""A conversation laid out for reading, whatever draws it. Knows nothing of textual."""

from ssechat.tui.transcript.page import Anchor, NoteItem, Page, Place, ReplyItem, UserItem
from ssechat.tui.transcript.slices import ThinkingMode

__all__ = ["Anchor", "NoteItem", "Page", "Place", "ReplyItem", "ThinkingMode", "UserItem"]
