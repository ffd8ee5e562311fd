"""Screens that lie over the conversation for a moment."""
