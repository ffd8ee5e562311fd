"""A process that outlives us, our terminal and our login, and does not get our secrets."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

LINGERING = Path("/var/lib/systemd/linger")
"""Where systemd notes the users whose services do not end with their last login."""
_NEEDED = re.compile(
    r"HOME|PATH|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LANGUAGE|LC_[A-Z]+|LD_LIBRARY_PATH"
    r"|XDG_[A-Z]+_HOME|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|PYTHON[A-Z]+"
    r"|SSECHAT_CONFIG|SSECHAT_DATA_DIR|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE"
    r"|(?i:https?|all|no)_(?i:proxy)"
)
"""What a process of ours reads itself, whatever else it may be called."""
_SECRET = re.compile(r".*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?", re.I)


def environment(env: Mapping[str, str], named: Collection[str] = ()) -> dict[str, str]:
    """`env` without what looks like a secret, and without the variables `named`, which hold one."""
    return {
        name: value
        for name, value in env.items()
        if _NEEDED.fullmatch(name) or not (name in named or _SECRET.fullmatch(name))
    } | {"PYTHONSAFEPATH": "1"}


def begin(command: Sequence[str], env: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
    """A process in a session of its own, its output in the file `log`. Raises OSError."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=dict(env),
        cwd="/",
        start_new_session=True,
    )


def lingers(env: Mapping[str, str]) -> bool:
    """Whether the user has a service manager that stays when the last login has ended."""
    if sys.platform != "linux" or not shutil.which("systemd-run", path=env.get("PATH")):
        return False
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
        return (LINGERING / user).exists() and (_runtime(env) / "bus").exists()
    except (KeyError, OSError):
        return False


def begin_service(
    name: str, command: Sequence[str], env: Mapping[str, str], log: int, path: Path
) -> subprocess.Popen[bytes]:
    """`begin`, by the user's service manager: the process that asks it to, which ends with 0 once
    the service runs. `path` is the log's. Values of variables do not stand in its arguments, which
    anybody may read; each service has a name of its own, lest two starts refuse each other."""
    kept = [variable for variable in env if _NEEDED.fullmatch(variable)]
    asking = [
        *("systemd-run", "--user", "--collect", "--quiet", "--service-type=exec"),
        f"--unit={name}-{os.urandom(4).hex()}",
        "--working-directory=/",
        *(f"--property=Standard{stream}=append:{path}" for stream in ("Output", "Error")),
        *(f"--setenv={variable}" for variable in kept),
        *("--", *command),
    ]
    return begin(asking, {**env, "XDG_RUNTIME_DIR": str(_runtime(env))}, log)


def _runtime(env: Mapping[str, str]) -> Path:
    return Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
