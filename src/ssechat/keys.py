"""Keys: where they come from, and that they never show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from ssechat.core.errors import KeyProblem
from ssechat.key_command import run
from ssechat.settings import Profile

HIDDEN = "***"
KEYRING_SERVICE = "ssechat"


class Secret:
    """A key that `repr`, `str`, `format`, pickle and msgspec do not give away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the header that carries it and nothing else."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored")


def resolve(profile: Profile, env: Mapping[str, str]) -> Secret | None:
    """The profile's key; None if it names no source. Blocks while a command runs.

    A variable that is not set yields to the next source; any other source that fails, and no key
    at the end, is a KeyProblem.
    """
    if profile.api_key_env and (value := env.get(profile.api_key_env, "").strip()):
        return _checked(value, f"the variable {profile.api_key_env}")
    if profile.api_key_command:
        return _checked(run(profile.api_key_command), "api_key_command")
    if profile.api_key_keyring:
        return _checked(_from_keyring(profile.api_key_keyring), "the keyring")
    if profile.api_key_env:
        raise KeyProblem(
            f"{profile.api_key_env} is not set",
            detail=f"profile {profile.name} takes its key from this variable",
            remedy=f"export {profile.api_key_env}, or choose another profile",
        )
    return None


def _checked(value: str, source: str) -> Secret:
    """The key, if it can stand in a header without ending it."""
    value = value.strip()
    if not value:
        raise KeyProblem(f"{source} gave no key", remedy="store the key there, or name another")
    if not all("!" <= char <= "~" for char in value):
        raise KeyProblem(
            f"the key from {source} holds spaces, line breaks or characters outside ASCII",
            remedy="store the key alone, on one line",
        )
    return Secret(value)


def _from_keyring(entry: str) -> str:
    """The password of `service/user`, or of `user` under our own name."""
    try:
        import keyring
    except ImportError:
        raise KeyProblem(
            "the keyring cannot be read: the package keyring is not installed",
            remedy="pip install 'ssechat[keyring]'",
        ) from None
    service, slash, user = entry.partition("/")
    where = (service, user) if slash else (KEYRING_SERVICE, entry)
    try:
        return keyring.get_password(*where) or ""
    except Exception as error:  # noqa: BLE001 - backends raise what their libraries do
        raise KeyProblem(
            f"the keyring cannot be read: {type(error).__name__}",
            remedy="unlock the keyring, or use api_key_env or api_key_command",
        ) from None
