"""Writing down a question and the stream that is to answer it, before anything is sent."""

from __future__ import annotations

import sqlite3

from ssechat.core.conversation import Role
from ssechat.core.deltas import EndState
from ssechat.journal import ownership
from ssechat.journal.problems import NotFound
from ssechat.journal.records import LIVE, Begun, NewStream, Outcome
from ssechat.journal.rows import (
    OUTCOME_COLUMNS,
    call_to_blob,
    insert,
    new_id,
    outcome_values,
    storables,
    to_json,
)

TITLE_LENGTH = 80  # characters


def begin(connection: sqlite3.Connection, lease: str, new: NewStream, now: float) -> Begun:
    """Write the user's message (unless it is a retry), the empty answer and its live stream."""
    ownership.claim(connection, lease, now)
    conversation_id = new.conversation_id or _conversation(connection, new, now)
    user_id = _user(connection, conversation_id, new, now)
    answer = Outcome(state=LIVE, model=new.model)
    answer_id = _message(connection, conversation_id, user_id, Role.ASSISTANT, answer, now)
    connection.execute(
        "UPDATE conversation SET head = ?, updated = ?, profile = ?, model = ? WHERE id = ?",
        storables((answer_id, now, new.profile, new.model, conversation_id)),
    )
    stream_id = _stream(connection, lease, answer_id, new, now)
    return Begun(conversation_id, user_id, answer_id, stream_id)


def _conversation(connection: sqlite3.Connection, new: NewStream, now: float) -> str:
    values = {
        "id": new_id("cv_"),
        "title": new.title or title_of(new.text or ""),
        "created": now,
        "updated": now,
        "head": "",
        "profile": new.profile,
        "model": new.model,
        "system": new.system,
    }
    connection.execute(insert("conversation", values), storables(values.values()))
    return str(values["id"])


def title_of(text: str) -> str:
    """The first line that says something, without control characters."""
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    start = line[: TITLE_LENGTH + 1]
    shown = "".join(char if char.isprintable() else " " for char in start).strip()
    return shown if len(shown) <= TITLE_LENGTH else f"{shown[: TITLE_LENGTH - 1].rstrip()}…"


def _user(connection: sqlite3.Connection, conversation_id: str, new: NewStream, now: float) -> str:
    """The user's message: a new one under `parent_id`, or that parent itself."""
    role = _role(connection, conversation_id, new.parent_id)
    if new.text is not None:
        said = Outcome(state=EndState.COMPLETE, text=new.text)
        return _message(connection, conversation_id, new.parent_id, Role.USER, said, now)
    if new.parent_id is None or role != Role.USER:
        raise ValueError("only a user's message can be answered again")
    return new.parent_id


def _role(connection: sqlite3.Connection, conversation_id: str, message_id: str | None) -> str:
    """The role of a message, "" for the conversation's beginning. NotFound if it is gone."""
    if message_id is None:
        query = "SELECT '' FROM conversation WHERE id = ? AND ? IS NULL"
    else:
        query = "SELECT role FROM message WHERE conversation_id = ? AND id = ?"
    found = connection.execute(query, (conversation_id, message_id)).fetchone()
    if found is None:
        raise NotFound(
            "this conversation was deleted", remedy="send the message again in a new tab"
        )
    return str(found[0])


def _message(
    connection: sqlite3.Connection,
    conversation_id: str,
    parent_id: str | None,
    role: Role,
    outcome: Outcome,
    now: float,
) -> str:
    place = {
        "id": new_id("ms_"),
        "conversation_id": conversation_id,
        "parent_id": parent_id,
        "role": role.value,
        "created": now,
    }
    connection.execute(
        insert("message", (*OUTCOME_COLUMNS, *place)),
        (*outcome_values(outcome), *place.values()),
    )
    return str(place["id"])


def _stream(
    connection: sqlite3.Connection, lease: str, message_id: str, new: NewStream, now: float
) -> str:
    values = {
        "id": new.stream_id or new_id("sm_"),
        "message_id": message_id,
        "profile": new.profile,
        "dialect": new.dialect,
        "model": new.model,
        "idempotency_key": new.idempotency_key,
        "resume_path": "",
        "remote_id": "",
        "cursor": "",
        "rung": "",
        "scheme": "",
        "options": to_json(new.options).decode() if new.options else "",
        "state": LIVE,
        "note": "",
        "created": now,
        "resumes": 0,
        "last_seq": 0,
        "lease": lease,
    }
    connection.execute(insert("stream", values), storables(values.values()))
    connection.execute(
        insert("request", ("stream_id", "call")), (values["id"], call_to_blob(new.call))
    )
    return str(values["id"])
