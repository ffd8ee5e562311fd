"""The background relay as the app sees it: started on demand, one for each user and data directory.

It keeps generations running that would otherwise end with our connection. Its key to a provider
comes with each request, over a socket that only the user can open.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from ssechat import __version__, detached, link, paths, settings
from ssechat.core.conversation import Call
from ssechat.core.errors import ConfigProblem, LinkProblem, Problem
from ssechat.hub.route import Route
from ssechat.link import Clients, Target
from ssechat.profiles import PROVIDERS
from ssechat.settings import Profile
from ssechat.sockets import LONGEST_PATH

PROFILE, KEY, HOST = "Ssechat-Profile", "Ssechat-Upstream-Key", "Ssechat-Upstream"
"""Headers by which the app says what a request is for, and where its key belongs; they count on
that socket only."""
SERVER = "ssechat-relay"
BELOW = "http://localhost/p"
"""Where requests go; the host is never looked up."""

AVOIDED = 60.0
"""Seconds for which new requests go direct after it could not be used: each would wait for it."""
_START_TIME = 10.0  # s
_SERVICE_TIME = 5.0  # s that the user's service manager may take, before it starts as it can
_LOOK = 0.05  # s
_COMMAND = (sys.executable, "-m", "ssechat", "relay", "--background")
_LOG_SIZE = 2**20
_OWN_RESUME = ("openai-responses", "gemini-interactions")
"""Dialects whose servers keep answers themselves."""


_children: list[subprocess.Popen[bytes]] = []
"""Relays that this process has started: they may outlive it, and are reaped if they do not."""


class Health(msgspec.Struct):
    """What the relay says of itself at `/healthz`."""

    server: str = ""
    version: str = ""


def digest() -> str:
    """What the relay's files are called by: there is one for each configuration and data
    directory, for with another configuration a profile may be another host's."""
    both = os.fsencode(paths.data_dir().resolve()) + b"\0" + os.fsencode(paths.config_file())
    return hashlib.sha256(both).hexdigest()[:12]


def socket_paths() -> Iterator[Path]:
    """Where it listens, the first of them that can be: in the state directory, or, where that path
    is too long or the file system has no sockets, in a directory of the user's own under the
    system's temporary one. Raises ConfigProblem."""
    path = paths.state_dir() / f"relay-{digest()}.sock"
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield path
    other = _temporary() / path.name
    if len(os.fsencode(other)) <= LONGEST_PATH:
        yield other


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"ssechat-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    except OSError:
        ours = False
    if not ours or found.st_mode & 0o077:
        raise ConfigProblem(f"{folder} is not a directory of yours alone", remedy="remove it")
    return folder


class Background:
    """The way through the background relay. `known` says whether the relay finds a profile, too;
    `say` is told, once, why it cannot be used. (`hub.route.Via`)"""

    def __init__(self, clients: Clients, known: Callable[[Profile], bool]) -> None:
        self.wanted = False
        """Whether new requests go through it; those that have go on to."""
        self._clients = clients
        self._known = known
        self.say: Callable[[Problem], object] = lambda problem: None
        self._told = False
        self._starting = asyncio.Lock()
        self._fault: tuple[float, Problem] | None = None

    async def prepare(self, profile: Profile) -> None:
        """Start the relay before it is needed, if requests for the profile go through it."""
        if self._wanted(profile):
            with contextlib.suppress(Problem):  # the request that needs it will say so
                await self._usable()

    async def fresh(self, way: Route) -> Route:
        """The route through the relay, if its server cannot resume by itself; else as it is."""
        if not self._wanted(way.profile):
            return way
        try:
            return _through(way, await self._usable())
        except Problem as problem:
            if not self._told:
                self._told = True
                self.say(problem)
            return way

    async def again(self, way: Route) -> Route:
        """The route through the relay: what began there is only there. Raises Problem."""
        return _through(way, await self._running())

    def _wanted(self, profile: Profile) -> bool:
        return (
            self.wanted
            and profile.background_relay
            and not profile.relay
            and profile.dialect not in _OWN_RESUME
            and self._known(profile)
        )

    async def _usable(self) -> Path:
        """Its socket; a Problem at once where it could not be used a moment ago."""
        self._avoid()  # before waiting for those who find that out again
        return await self._running(self._avoid)

    def _avoid(self) -> None:
        if self._fault is not None and time.monotonic() - self._fault[0] < AVOIDED:
            raise self._fault[1]

    async def _running(self, check: Callable[[], object] = lambda: None) -> Path:
        """The socket of a relay that runs; `check` is asked once it is our turn. Raises Problem."""
        async with self._starting:
            check()
            try:
                path = await self._found()
            except Problem as problem:
                self._fault = time.monotonic(), problem
                raise
            self._fault = None
            return path

    async def _found(self) -> Path:
        path = await asyncio.to_thread(_listening)
        if path is not None:
            health = await self._health(path)
            if health is not None and not await self._outdated(path, health):
                return path
        await self._start()
        path = await asyncio.to_thread(_listening)
        if path is None:
            raise _failed(f"see {_log_path()}")
        return path

    async def _health(self, path: Path) -> Health | None:
        """What the relay says of itself; None if none listens. Problem if somebody else does."""
        if not await asyncio.to_thread(_listens, path):
            return None
        try:
            answer = await link.fetch(self._clients, _target(path), Call("GET", "/healthz", {}))
        except LinkProblem as problem:
            raise _silent(problem.title) from None
        try:
            health = msgspec.json.decode(answer.body, type=Health)
        except msgspec.DecodeError:
            health = Health()
        if health.server != SERVER:
            raise Problem(f"something else listens on {path}", remedy="remove that file")
        return health

    async def _outdated(self, path: Path, health: Health) -> bool:
        """Whether it is of another version and has left, as it does if it is idle. One that is not
        is used as it is: what it speaks does not change from version to version."""
        if health.version == __version__:
            return False
        answer = await link.fetch(self._clients, _target(path), Call("POST", "/v1/relay/leave", {}))
        return answer.status == 202 and await _until(lambda: not _listens(path))

    async def _start(self) -> None:
        """Returns once it listens, or another one does that was faster. Raises Problem."""
        env = await asyncio.to_thread(_environment)
        try:
            if detached.lingers(env):
                asking = await asyncio.to_thread(_serve, env)
                if await _begun(asking, _SERVICE_TIME):
                    return
                asking.kill()
            child = await asyncio.to_thread(_spawn, env)
        except OSError as error:
            raise _failed(error.strerror or str(error)) from None
        if not await _begun(child, _START_TIME):
            raise _failed(f"see {_log_path()}")


async def _begun(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a relay listens within the time, that this process starts or another one."""
    # One that another was faster than ends with 0, one that cannot start with another number.
    _children[:] = [child, *(one for one in _children if one.poll() is None)]
    await _until(lambda: _listening() is not None or child.poll() not in (None, 0), seconds)
    return await asyncio.to_thread(_listening) is not None


def _through(way: Route, path: Path) -> Route:
    """The same route, over the relay's socket."""
    secret = {KEY: way.secret.reveal()} if way.secret else {}
    target = msgspec.structs.replace(
        way.target,
        base_url=BELOW,
        headers={PROFILE: quote(way.profile.name), HOST: quote(way.profile.base_url)},
        secret_headers=secret,
        ca_file="",
        http2=False,
        uds=str(path),
        shown=f"{way.target.where} (background relay)",
    )
    profile = msgspec.structs.replace(way.profile, relay=True)
    return msgspec.structs.replace(way, profile=profile, target=target)


def _target(path: Path) -> Target:
    return Target("http://localhost", uds=str(path), connect=2.0, shown="the background relay")


def _listening() -> Path | None:
    """The socket on which somebody listens. Raises ConfigProblem."""
    return next(filter(_listens, socket_paths()), None)


def _listens(path: Path) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


async def _until(holds: Callable[[], bool], seconds: float = _START_TIME) -> bool:
    """Whether it holds within the time, usually that which a start may take."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if await asyncio.to_thread(holds):
            return True
        await asyncio.sleep(_LOOK)
    return False


def _log_path() -> Path:
    return paths.log_dir() / "relay.log"


@contextlib.contextmanager
def _log_file() -> Iterator[int]:
    """The log, open for the child."""
    path = _log_path()
    with contextlib.suppress(OSError):
        if path.stat().st_size > _LOG_SIZE:
            path.replace(path.with_suffix(".log.1"))
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield number
    finally:
        os.close(number)


def _environment() -> dict[str, str]:
    """What it gets of ours: no keys, as those come with the requests."""
    configured, _ = settings.load(paths.config_file())
    profiles = (*PROVIDERS, *configured.profiles.values())
    return detached.environment(os.environ, {profile.api_key_env for profile in profiles})


def _serve(env: dict[str, str]) -> subprocess.Popen[bytes]:
    with _log_file() as log:
        name = f"ssechat-relay-{digest()}"
        return detached.begin_service(name, _COMMAND, env, log, _log_path())


def _spawn(env: dict[str, str]) -> subprocess.Popen[bytes]:
    with _log_file() as log:
        return detached.begin(_COMMAND, env, log)


def _silent(detail: str) -> Problem:
    return Problem(
        "the background relay does not answer; answers end if ssechat is killed",
        detail=detail,
        remedy="end the process `ssechat relay --background`, or set background_relay = false",
    )


def _failed(detail: str) -> Problem:
    return Problem(
        "the background relay did not start; answers end if ssechat is killed",
        detail=detail,
        remedy="run `ssechat relay --background` to see why, or set background_relay = false",
    )
