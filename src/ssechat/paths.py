"""Where our files lie: the platform's directories, or what the environment says instead.

`SSECHAT_CONFIG` names the configuration file, `SSECHAT_DATA_DIR` the directory for conversations.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import platformdirs

from ssechat.core.errors import ConfigProblem

APP = "ssechat"
PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600


def config_file() -> Path:
    """`config.toml`, which need not exist."""
    if given := os.environ.get("SSECHAT_CONFIG"):
        return _absolute(given)
    return platformdirs.user_config_path(APP, appauthor=False) / "config.toml"


def relay_file() -> Path:
    """`relay.toml`, beside the configuration; it need not exist."""
    return config_file().parent / "relay.toml"


def user_themes_dir() -> Path:
    """The user's own themes, beside the configuration; it need not exist."""
    return config_file().parent / "themes"


def data_dir() -> Path:
    """The directory for conversations, created if missing. Raises ConfigProblem if it cannot be."""
    if given := os.environ.get("SSECHAT_DATA_DIR"):
        return private_dir(_absolute(given))
    return private_dir(platformdirs.user_data_path(APP, appauthor=False))


def database_file() -> Path:
    """`ssechat.db`, the journal, in `data_dir()`."""
    return data_dir() / "ssechat.db"


def demo_dir() -> Path:
    """What the built-in demo provider keeps, created if missing."""
    return private_dir(data_dir() / "demo")


def log_dir() -> Path:
    """Created if missing."""
    return private_dir(platformdirs.user_log_path(APP, appauthor=False))


def state_dir() -> Path:
    """What lasts over logins and is no conversation, created if missing."""
    return private_dir(platformdirs.user_state_path(APP, appauthor=False))


def viewing_dir() -> Path:
    """Copies of images and audio that other programs were asked to show, created if missing."""
    return private_dir(data_dir() / "viewing")


def downloads_dir() -> Path:
    """Where a user looks for what they saved: the downloads, else the home directory."""
    downloads = _absolute(str(platformdirs.user_downloads_path()))
    return downloads if downloads.is_dir() else Path.home()


def shipped_themes() -> Path:
    """The themes that came with the package: in the wheel, or in the checkout it runs from."""
    packaged = Path(str(files("ssechat") / "themes"))
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "themes"


def private_dir(path: Path) -> Path:
    """`path`, created for its owner alone if missing. Raises ConfigProblem if that fails."""
    try:
        path.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigProblem(
            f"the directory {path} cannot be created",
            detail=error.strerror or str(error),
            remedy="make its parent writable, or set SSECHAT_DATA_DIR to a directory of yours",
        ) from None
    return path


def private_paths() -> list[Path]:
    """All that can hold secrets or conversations, as far as it exists."""
    data = data_dir()
    database = database_file()
    names = [config_file(), data, *(database.with_name(database.name + end) for end in _PARTS)]
    return [path for path in [*names, log_dir()] if path.exists()]


def loose_permissions(paths: Iterable[Path]) -> list[str]:
    """One sentence for each path that others than its owner may read or change."""
    return [sentence for path in paths if (sentence := _looseness(path))]


_PARTS = ("", "-wal", "-shm")  # SQLite's files beside the database


def _looseness(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ""
    verb = "change" if mode & (stat.S_IWGRP | stat.S_IWOTH) else "read"
    wanted = PRIVATE_DIR if stat.S_ISDIR(mode) else PRIVATE_FILE
    return (
        f"others can {verb} {path} (its mode is {stat.S_IMODE(mode):04o}):"
        f" run chmod {wanted:o} {path}"
    )


def _absolute(given: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(given)))  # noqa: PTH100, PTH111 - never raise
