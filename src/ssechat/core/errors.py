"""Errors are values that a user can act on.

Problem                 anything that we report; title, detail, remedy
├── ConfigProblem       config.toml, themes, environment: names the file, line and key
├── KeyProblem          a secret could not be had
├── LinkProblem         the wire: connecting, TLS, status, content type, silence, a cut
├── JournalProblem      the database: full, read-only, newer than us, damaged
└── TerminalProblem     no usable terminal
"""

from __future__ import annotations


class Problem(Exception):
    """What went wrong, where, and what to do about it.

    `title` is one line; `detail` says more (a path, an excerpt), may be empty; `remedy` is what the
    user can do, in the imperative. None of them ever holds a secret. Text that came from outside
    is cleaned where it is shown, not here.
    """

    exit_code = 1

    def __init__(self, title: str, *, detail: str = "", remedy: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.remedy = remedy

    def __str__(self) -> str:
        return "\n".join(part for part in (self.title, self.detail, self.remedy) if part)


class ConfigProblem(Problem):
    exit_code = 2


class KeyProblem(Problem):
    exit_code = 2


class LinkProblem(Problem):
    """A request or stream that did not go as it should.

    `kind` is one of `connect` (no request byte left), `status`, `content`, `lost` (cut in
    mid-stream, or after the request left), `silence`, `limit` (a bound of ours). `status` is the
    HTTP status if there was one; `retry_after` is in seconds.
    """

    def __init__(
        self,
        title: str,
        *,
        kind: str,
        detail: str = "",
        remedy: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(title, detail=detail, remedy=remedy)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class JournalProblem(Problem):
    pass


class TerminalProblem(Problem):
    exit_code = 2
