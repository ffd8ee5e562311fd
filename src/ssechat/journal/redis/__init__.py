"""The journal of several relays: streams in Redis 7 or newer, or Valkey."""

from ssechat.journal.redis.journal import RedisJournal

__all__ = ["RedisJournal"]
