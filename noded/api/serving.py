"""Sockets: who may connect, how many, and what each connection is served with."""

import os
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import trio

from noded.api.app import make_app, make_metrics_app
from noded.api.backend import Backend
from noded.api.connection import App, Connection
from noded.api.rates import Rates
from noded.api.settings import TOKENS_NAME, ApiSettings
from noded.api.tokens import Tokens
from noded.client.sockets import SOCKET_NAME, short_path
from noded.errors import ConfigError
from noded.keys.files import is_open_to_all

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # libp2p brings outdated stubs of trio, which lack trio.TaskStatus

LOCAL_CONNECTIONS_MAX: Final = 1024
"""On the node's own socket: a bench that waits for 1,000 batches at once, and a few commands."""

METRICS_CONNECTIONS_MAX: Final = 32
METRICS_PER_S: Final = 50
"""Probes and Prometheus come some times a second at most."""

BACKLOG: Final = 128
"""Connections that wait to be accepted."""

HANDSHAKE_S: Final = 5.0
"""For TLS."""

log = structlog.get_logger("noded.api")


class AddressUnusable(ConfigError):
    """The API cannot listen where it should."""


class Door:
    """Counts connections; full, it lets nobody in."""

    def __init__(self, *, all_max: int, client_max: int) -> None:
        self.all_max = all_max
        self.client_max = client_max
        self._clients: Counter[str] = Counter()
        self._all = 0

    def enter(self, client: str) -> bool:
        """Whether another connection of this client is let in; if so it must `leave`."""
        if self._all >= self.all_max or self._clients[client] >= self.client_max:
            return False
        self._all += 1
        self._clients[client] += 1
        return True

    def leave(self, client: str) -> None:
        """A connection has ended."""
        self._all -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]


class Api:
    """Serves the API until cancelled."""

    def __init__(self, backend: Backend, settings: ApiSettings, *, clock_ms: Callable[[], int]) -> None:
        """
        Prepare to serve; `run` listens.

        Raises:
            ConfigError: The tokens or the certificate cannot be used.
        """
        self.tokens = Tokens(settings.home / TOKENS_NAME, clock_ms=clock_ms)
        self._backend = backend
        self._settings = settings
        self._tls = _tls_context(settings)
        self._rates = Rates(
            per_s=settings.requests_per_s, burst=settings.requests_burst, clock=trio.current_time
        )
        self._door = Door(all_max=settings.connections_max, client_max=settings.connections_per_client_max)

    def apply(self, settings: ApiSettings) -> None:
        """
        Take what can change while the API runs: limits, and the certificate's files as they are now.

        Raises:
            ConfigError: The certificate cannot be used; nothing was changed.
        """
        self._tls = _tls_context(settings)
        self._rates.per_s, self._rates.burst = settings.requests_per_s, settings.requests_burst
        self._door.all_max = settings.connections_max
        self._door.client_max = settings.connections_per_client_max

    async def run(self, task_status: "TaskStatus[list[str]]" = trio.TASK_STATUS_IGNORED) -> None:
        """
        Listen and serve until cancelled; `task_status` is given the addresses.

        Raises:
            AddressUnusable: One of them is taken, or not this machine's.
        """
        settings = self._settings
        path = settings.home / SOCKET_NAME
        addresses = [f"unix:{path}"]
        async with trio.open_nursery() as nursery:
            local = make_app(self._backend, tokens=self.tokens, rates=None, is_local=True)
            door = Door(all_max=LOCAL_CONNECTIONS_MAX, client_max=LOCAL_CONNECTIONS_MAX)
            nursery.start_soon(self._serve, listen_unix(path), self._local(local, door))
            if settings.listen is not None:
                app = make_app(self._backend, tokens=self.tokens, rates=self._rates, is_local=False)
                listener = await _listen(settings.listen)
                addresses.append(_name("https" if self._tls else "http", listener))
                nursery.start_soon(self._serve, listener, self._remote(app, self._door, is_tls=True))
            if settings.metrics_listen is not None:
                rates = Rates(per_s=METRICS_PER_S, burst=METRICS_PER_S, clock=trio.current_time)
                app = make_metrics_app(self._backend, rates=rates)
                listener = await _listen(settings.metrics_listen)
                addresses.append(_name("http", listener))
                door = Door(all_max=METRICS_CONNECTIONS_MAX, client_max=METRICS_CONNECTIONS_MAX)
                nursery.start_soon(self._serve, listener, self._remote(app, door, is_tls=False))
            task_status.started(addresses)

    async def _serve(
        self, listener: trio.SocketListener, handle: Callable[[trio.SocketStream], Awaitable[None]]
    ) -> None:
        async with trio.open_nursery() as nursery:
            await trio.serve_listeners(handle, [listener], handler_nursery=nursery)

    def _local(self, app: App, door: Door) -> Callable[[trio.SocketStream], Awaitable[None]]:
        async def handle(stream: trio.SocketStream) -> None:
            user = _peer_user(stream)
            if user not in (0, os.geteuid()) or not door.enter(str(user)):
                log.warning("a connection to the node's own socket was refused", user=user)
                await trio.aclose_forcefully(stream)
                return
            try:
                await Connection(app, stream, None).run()
            finally:
                door.leave(str(user))

        return handle

    def _remote(
        self, app: App, door: Door, *, is_tls: bool
    ) -> Callable[[trio.SocketStream], Awaitable[None]]:
        async def handle(stream: trio.SocketStream) -> None:
            client = _peer_address(stream)
            if client is None or not door.enter(client[0]):
                await trio.aclose_forcefully(stream)
                return
            try:
                secured = await self._secure(stream) if is_tls and self._tls is not None else stream
                if secured is not None:
                    await Connection(app, secured, client).run()
            finally:
                door.leave(client[0])

        return handle

    async def _secure(self, stream: trio.SocketStream) -> trio.SSLStream | None:
        """TLS on a connection; None if the client did not finish the handshake in time."""
        assert self._tls is not None
        secured = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
        try:
            with trio.fail_after(HANDSHAKE_S):
                await secured.do_handshake()
        except (trio.BrokenResourceError, trio.TooSlowError, ssl.SSLError):
            await trio.aclose_forcefully(stream)
            return None
        return secured


async def serve_api(
    backend: Backend,
    settings: ApiSettings,
    *,
    task_status: "TaskStatus[Api]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """
    Serve the API until cancelled; `task_status` is given the running API once it listens.

    Raises:
        ConfigError: It cannot listen where it should, or tokens or certificate cannot be used.
    """
    api = Api(backend, settings, clock_ms=lambda: time.time_ns() // 1_000_000)
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(api.run)
        log.info("the API listens", addresses=addresses)
        task_status.started(api)


def listen_unix(path: Path) -> trio.SocketListener:
    """
    Listen on a socket that only this user and root may open; one left behind by an earlier process is replaced.

    Raises:
        AddressUnusable: It cannot be made.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        path.unlink(missing_ok=True)
        made.bind(short_path(path, folder))
        path.chmod(0o600)  # The home is the user's alone, so nobody was in between.
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise AddressUnusable(f"{path}: {error.strerror}; check who owns the home") from error
    finally:
        os.close(folder)
    return trio.SocketListener(trio.socket.from_stdlib_socket(made))


async def _listen(address: tuple[str, int]) -> trio.SocketListener:
    host, port = address
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as error:
        raise AddressUnusable(f"{host}:{port}: {error.strerror}; choose another address") from error
    for other in listeners[1:]:
        await other.aclose()
    return listeners[0]


def _tls_context(settings: ApiSettings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for setting, path in (("tls_certificate", settings.tls_certificate), ("tls_key", settings.tls_key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"api.{setting}: {path}: {error.strerror}; name a file that the node's user may read"
            ) from error
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except ssl.SSLError as error:
        what = (
            "it is not of this certificate"
            if error.reason == "KEY_VALUES_MISMATCH"
            else "one of them is no PEM file"
        )
        raise ConfigError(
            f"api.tls_key {settings.tls_key}, api.tls_certificate {settings.tls_certificate}: {what} ({error.reason});"
            " name the certificate's own key"
        ) from error
    if is_open_to_all(settings.tls_key):
        log.warning("every user may read the key of the API's certificate", file=str(settings.tls_key))
    return context


def _peer_user(stream: trio.SocketStream) -> int:
    """The user at the other end of a unix socket, by the kernel's word."""
    size = struct.calcsize("3i")
    credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[1])


def _peer_address(stream: trio.SocketStream) -> tuple[str, int] | None:
    try:
        address = stream.socket.getpeername()
    except OSError:
        return None
    return str(address[0]), int(address[1])


def _name(scheme: str, listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
