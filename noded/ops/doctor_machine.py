"""What `doctor` sees of the machine and the home, whether the node runs or not."""

import ctypes
import os
import resource
import shutil
import socket
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

from noded.api.settings import TOKENS_NAME
from noded.config import NodeConfig
from noded.errors import NodedError
from noded.keys.files import check_private, is_open_to_all
from noded.network.addresses import format_address, parse_address
from noded.ops.findings import Finding, fail, ok, warn
from noded.ops.home import STORE_NAME, open_keys
from noded.ops.patients import PATIENTS_NAME
from noded.storage.errors import file_failure

SYNCS: Final = 16
SYNC_BYTES: Final = 4096
"""About what one step of consensus writes to its log."""

SYNC_WARN_MS: Final = 10.0
"""A block takes three log writes at each of several nodes one after another: 30 ms of a 100 ms interval."""

SYNC_FAIL_MS: Final = 100.0
"""Votes come later than the interval between blocks; the others go on without this node."""

MIB: Final = 1024 * 1024

FILES_SPARE: Final = 128
"""Open files besides connections: store, log, readers, sockets, libraries."""

PEERS_FILES: Final = 64
"""Connections to members, most consortia having fewer."""

_STA_UNSYNC: Final = 0x0040
"""Of adjtimex(2): the clock is not synchronised."""


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is needed; the kernel writes 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximal_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def check_machine(config: NodeConfig, *, is_running: bool) -> list[Finding]:
    """All checks of machine and home."""
    return [
        check_permissions(config),
        check_passphrase(config),
        check_space(config),
        check_syncs(config.home),
        check_clock_source(),
        check_files(config),
        *check_ports(config, is_running=is_running),
    ]


def check_permissions(config: NodeConfig) -> Finding:
    """Whether home and keys are this user's and nobody else's."""
    name = "permissions"
    keys = config.path(config.node.keys)
    if not keys.is_dir():
        return fail(
            name, f"there are no keys in {keys}", "make a home with `noded init`, or restore a backup"
        )
    others = [config.home / name for name in (TOKENS_NAME, PATIENTS_NAME)]
    for path in (config.home, keys, *sorted(keys.iterdir()), *filter(Path.exists, others)):
        try:
            check_private(path)
        except (NodedError, OSError) as error:
            return fail(name, str(error), f"chmod go= {path}")
        owner = path.stat().st_uid
        if owner != os.geteuid() and os.geteuid() != 0:
            return fail(
                name, f"{path} belongs to user {owner}", "run this as the node's user, or chown the home"
            )
    tls_key = config.api_settings().tls_key
    if tls_key is not None and tls_key.exists() and is_open_to_all(tls_key):
        return fail(
            name,
            f"every user of this machine may read {tls_key}, the key of the API's certificate",
            f"chmod o= {tls_key}; get a certificate for another key if they may have used it",
        )
    return ok(name, "home and keys are their owner's alone")


def check_passphrase(config: NodeConfig) -> Finding:
    """Whether the keys can be opened as the settings say."""
    name = "passphrase"
    source = config.node.passphrase
    if source == "credential" or source.startswith("fd:"):
        return ok(name, "whoever starts the node hands it over, so it is not tried here")
    try:
        open_keys(config)
    except NodedError as error:
        return fail(name, str(error), "see the message; nothing else opens the keys")
    return ok(name, "the keys open")


def check_space(config: NodeConfig) -> Finding:
    """Whether the disk has room for the ledger, and for a snapshot of it."""
    name = "disk-space"
    free = shutil.disk_usage(config.home).free
    store = config.home / STORE_NAME
    parts = (store, store.with_name(store.name + "-wal"))  # The journal may be the larger part.
    size = sum(path.stat().st_size for path in parts if path.exists())
    reserve = config.storage.reserve_mib * MIB
    found = (
        f"{free // MIB} MiB free, the store takes {size // MIB}, the reserve is {config.storage.reserve_mib}"
    )
    way_out = "free space, set storage.keep_blocks or `noded db prune`, or move the home to a larger disk"
    if free < reserve:
        return fail(name, found, way_out)
    if free < reserve + size:
        return warn(name, f"{found}; a snapshot does not fit", way_out)
    return ok(name, found)


def check_syncs(home: Path) -> Finding:
    """How long the home's disk takes to make a few pages durable."""
    name = "fsync"
    path = home / ".doctor-fsync"
    times_ms: list[float] = []
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            for _ in range(SYNCS):
                began_s = time.perf_counter()
                os.write(descriptor, bytes(SYNC_BYTES))
                os.fsync(descriptor)
                times_ms.append((time.perf_counter() - began_s) * 1000)
        finally:
            os.close(descriptor)
            path.unlink()
    except OSError as error:
        failure = file_failure(home, error)
        return fail(name, f"{home}: {failure.what}", failure.way_out)
    middle = median(times_ms)
    found = f"{middle:.1f} ms in the middle, {max(times_ms):.1f} ms at most, of {SYNCS}"
    way_out = "use a local SSD with power-loss protection for the home, and keep other writers off it"
    if middle > SYNC_FAIL_MS:
        return fail(name, f"{found}; {SYNC_FAIL_MS:.0f} ms is too slow to vote in time", way_out)
    if middle > SYNC_WARN_MS:
        return warn(name, f"{found}; above {SYNC_WARN_MS:.0f} ms votes come late", way_out)
    return ok(name, found)


def check_clock_source() -> Finding:
    """Whether the kernel says that something keeps its clock right."""
    name = "clock-source"
    timex = _Timex()
    try:
        result = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except AttributeError:
        result = -1
    if result < 0:
        return ok(name, "the kernel does not tell whether its clock is synchronised")
    if timex.status & _STA_UNSYNC:
        return warn(name, "the kernel's clock is not synchronised", "run chrony or systemd-timesyncd")
    return ok(name, "the kernel's clock is synchronised")


def check_files(config: NodeConfig) -> Finding:
    """Whether as many files may be open as the settings allow connections; of this shell, unless systemd sets more."""
    name = "open-files"
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = config.api.connections_max + PEERS_FILES + FILES_SPARE
    found = f"{limit} may be open here, {needed} may be needed"
    if limit != resource.RLIM_INFINITY and limit < needed:
        return warn(name, found, "raise `ulimit -n` (LimitNOFILE= of the unit), or lower api.connections_max")
    return ok(name, found)


def check_ports(config: NodeConfig, *, is_running: bool) -> list[Finding]:
    """Whether the node listens where it should or, stopped, could."""
    wanted = {
        "port-peers": config.network.listen,
        "port-api": config.api.listen,
        "port-metrics": config.metrics.listen,
    }
    return [
        _check_listening(name, address) if is_running else _check_free(name, address)
        for name, address in wanted.items()
        if address
    ]


def can_connect(address: tuple[str, int], timeout_s: float) -> str | None:
    """Why nothing takes connections at an address; None if something does."""
    try:
        with socket.create_connection(address, timeout_s):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _check_free(name: str, address: str) -> Finding:
    host, port = parse_address(address)
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return fail(
                name,
                f"{address} cannot be listened on: {error.strerror}",
                f"stop what uses it (`ss -ltnp sport = {port}`), or choose another address",
            )
    return ok(name, f"{address} is free")


def _check_listening(name: str, address: str) -> Finding:
    host, port = parse_address(address)
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    why = can_connect((here, port), 2.0)
    if why is not None:
        return fail(
            name, f"nothing answers at {format_address(here, port)}: {why}", "see the node's log; restart it"
        )
    return ok(name, f"something listens at {address}")
