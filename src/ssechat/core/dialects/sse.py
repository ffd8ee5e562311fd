"""Servers written by hand that stream events: `{"prompt"}` goes out, some kind of text comes in.

Nothing about them is standardised, so a profile's `sse` table says what is not as usual, and
`_payloads` classifies what comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from ssechat.core.conversation import Call, Continuation, Prompt, Role
from ssechat.core.dialects import Decoder, Dialect, openai_chat
from ssechat.core.dialects._bodies import body, error_text
from ssechat.core.dialects._continue import by_message
from ssechat.core.dialects._payloads import DONE, Fields, Path, PayloadDecoder
from ssechat.core.dialects._plain import FRAMING, SCHEME, event_id
from ssechat.core.dialects._simple_view import SimpleViewDecoder
from ssechat.core.dialects._text import mended
from ssechat.core.frames import Frame

METHODS = ("POST", "GET")
AUTO = "auto"
EOF = "eof"
SIMPLE_VIEW = "simple"


class Options(msgspec.Struct, frozen=True):
    """What a profile's `sse` table says.

    `path` is relative to the base URL. `prompt`, `messages` and `model` name the fields of the
    request that hold the last user's text, all turns and the model; "" leaves one out. `end` is
    `AUTO`, `EOF` or the data that is the end mark. The others say where things lie in an object:
    `text` and `thinking` are dotted paths with commas between them ("": where they usually lie),
    `kind` and `mime` one dotted path each. `view`, which no table says, names a form of events that
    is known: `SIMPLE_VIEW`.
    """

    method: str = "POST"
    path: str = ""
    prompt: str = "prompt"
    messages: str = ""
    model: str = ""
    end: str = AUTO
    text: str = ""
    thinking: str = ""
    kind: str = "type"
    mime: str = "mime"
    view: str = ""


def configured(options: Mapping[str, Any]) -> Dialect:
    """The dialect for a server as `options` describe it; what they leave out is as usual."""
    known = {name: options[name] for name in Options.__struct_fields__ if name in options}
    return SimpleServer(Options(**known))


class SimpleServer:
    """The codec for one such server.

    `ENDS_AT_EOF`: a body that ends cleanly is a complete answer. `CUT_NOTE` is what to say of one
    that ended cleanly without a mark where that is a cut, or "".
    """

    MODELS_PATH = ""
    FRAMING = FRAMING
    SCHEME = SCHEME

    def __init__(self, options: Options) -> None:
        self._options = options
        self._mark = "" if options.end in (AUTO, EOF) else options.end
        self.END_MARK = self._mark or DONE
        self.ENDS_AT_EOF = options.end == EOF
        self.CUT_NOTE = (
            'this server sends no end mark; end = "eof" accepts that' if options.end == AUTO else ""
        )

    def auth(self, key: str) -> dict[str, str]:
        return openai_chat.auth(key)

    def request(self, prompt: Prompt) -> Call:
        options = self._options
        fields: dict[str, Any] = {options.prompt: _last_words(prompt), options.model: prompt.model}
        if options.method == "POST":
            fields[options.messages] = _turns(prompt)
        fields.pop("", None)
        if options.method == "GET":
            return Call("GET", _with_query(options.path, fields | prompt.params), {})
        headers = {"content-type": "application/json"}
        return Call("POST", options.path, headers, body(fields, prompt.params))

    def continuation(self, prompt: Prompt, partial: str, server: str) -> Continuation | None:
        """By a message, if all turns are sent; a prompt alone would not say what to go on with."""
        if not self._options.messages or self._options.method == "GET":
            return None
        return Continuation(self.request(by_message(prompt, partial)), "by a message", trim=True)

    def event_id(self, frame: Frame) -> str:
        return event_id(frame)

    def decoder(self) -> Decoder:
        options = self._options
        if options.view == SIMPLE_VIEW:
            return SimpleViewDecoder()
        fields = Fields(
            text=_paths(options.text),
            thinking=_paths(options.thinking),
            kind=_path(options.kind),
            mime=_path(options.mime),
        )
        return PayloadDecoder(fields, self._mark)

    def models(self, body: bytes) -> list[str]:
        return []

    def error_text(self, body: bytes) -> str:
        return error_text(body)


def _last_words(prompt: Prompt) -> str:
    asked = (turn.text for turn in reversed(prompt.turns) if turn.role is Role.USER)
    return mended(next(asked, ""))


def _turns(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": mended(turn.text)} for turn in prompt.turns]


def _with_query(path: str, fields: dict[str, Any]) -> str:
    """Strings go as they are, all else as JSON."""
    texts = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in fields.items()
    }
    return f"{path}{'&' if '?' in path else '?'}{urlencode(texts, quote_via=quote)}"


def _paths(dotted: str) -> tuple[Path, ...]:
    return tuple(_path(path) for path in dotted.split(",") if path.strip())


def _path(dotted: str) -> Path:
    return tuple(dotted.strip().split("."))
