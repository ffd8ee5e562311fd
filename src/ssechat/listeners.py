"""Who listens on a loopback port: the kernel's own answer, from Linux's TCP tables.

The format is that of proc_pid_net(5): addresses in hexadecimal, host byte order in each 32-bit
word; state 0A is LISTEN; the eighth column is the uid of the socket's owner.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
FIRST_USER_UID = 1000
"""Below it are root and the accounts of the system's own services."""

_LISTEN = "0A"


def trusted_ports(ports: Collection[int], tables: Sequence[Path] = TABLES) -> set[int]:
    """Those on which someone listens, and only the user, root or system accounts do.

    Empty where the system does not tell.
    """
    owners = listener_uids(ports, tables)
    return {port for port, uids in owners.items() if all(map(_is_trusted, uids))}


def listener_uids(ports: Collection[int], tables: Sequence[Path] = TABLES) -> dict[int, set[int]]:
    """For each port with listeners, on whatever address, the owners of their sockets."""
    owners: dict[int, set[int]] = {}
    for table in tables:
        for port, uid in _listeners(table):
            if port in ports:
                owners.setdefault(port, set()).add(uid)
    return owners


def _is_trusted(uid: int) -> bool:
    return uid < FIRST_USER_UID or uid == os.getuid()


def _listeners(table: Path) -> Iterator[tuple[int, int]]:
    """The port and the owner's uid of each listening socket."""
    try:
        rows = table.read_text("ascii").splitlines()[1:]
        for columns in map(str.split, rows):
            if columns[3] == _LISTEN:
                yield int(columns[1].rpartition(":")[2], 16), int(columns[7])
    except (OSError, ValueError, IndexError):
        return
