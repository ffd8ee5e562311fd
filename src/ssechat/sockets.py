"""Sockets that our servers listen on: TCP, or a Unix socket that only its owner can open."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from ssechat.core.errors import ConfigProblem, Problem

BACKLOG = 1024
LONGEST_PATH = 100
"""Bytes of a Unix socket's path; macOS takes 103, Linux 107."""


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket that listens. Raises Problem."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _unbound(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        # Linux lets two sockets of one user bind before either listens.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _unbound(host, port, error) from None
    return listener


def bind_unix(path: Path) -> socket.socket:
    """A Unix socket of mode 0600 that listens, in place of one that nobody listens on any more.
    Raises Problem."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigProblem(
            f"the socket's path is longer than {LONGEST_PATH} bytes: {path}",
            remedy="choose a shorter one",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise (
            _in_use(str(path))
            if error.errno == errno.EADDRINUSE
            else ConfigProblem(
                f"cannot listen on {path}",
                detail=error.strerror or str(error),
                remedy="choose a path in a directory of yours",
            )
        ) from None
    return listener


def address(listener: socket.socket, scheme: str = "http") -> str:
    """The URL of a socket that is bound."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _remove_stale(path: Path) -> None:
    """A socket file stays when its process dies; connecting tells whether somebody is there."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)


def _unbound(host: str, port: int, error: Exception) -> Problem:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return Problem(
            f"port {port} on {host!r} is in use",
            remedy="choose another with --port, or --port 0 for any free one",
        )
    return ConfigProblem(
        f"cannot listen on {host!r}, port {port}",
        detail=getattr(error, "strerror", None) or str(error),
        remedy="choose an address of this machine with --host; 127.0.0.1 always works",
    )


def _in_use(where: str) -> Problem:
    return Problem(
        f"somebody listens on {where} already", remedy="stop that process, or choose another path"
    )
