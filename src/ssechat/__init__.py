"""A terminal chat client for LLMs whose streams survive anything."""

__version__ = "0.1.0"
