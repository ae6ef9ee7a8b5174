"""Feeding systemd's watchdog, but only while loop, core and store make progress."""

import os

import structlog
import trio

from noded.daemon.notify import notify
from noded.daemon.shell import Shell
from noded.storage.store import Store

PROBE_S = 5.0
"""How long core and store may take to answer a probe; less than a third of the unit's WatchdogSec."""

STATUS_S = 5.0
"""Between two status lines for the service manager where no watchdog asks for more."""

log = structlog.get_logger("noded.watchdog")


def watchdog_interval_s() -> float | None:
    """A third of the time in which the service manager wants a sign of life; None if it wants none."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 3e6 if microseconds.isdecimal() and int(microseconds) > 0 else None


async def feed_watchdog(shell: Shell, store: Store) -> None:
    """
    Report progress until cancelled.

    A probe goes the way of every transaction, through the core's task and back; another reads the store in a thread.
    If either does not come back nothing is reported, and the service manager restarts the node.
    """
    interval_s = watchdog_interval_s()
    reader = await trio.to_thread.run_sync(store.reader)
    try:
        while True:
            with trio.move_on_after(PROBE_S) as limit:
                await shell.calls.probe()
                await trio.to_thread.run_sync(reader.tip)
            if limit.cancelled_caught:
                log.error("no progress", probe_s=PROBE_S)
            else:
                notify(WATCHDOG="1", STATUS=_status(shell))
            await trio.sleep(STATUS_S if interval_s is None else min(STATUS_S, interval_s))
    finally:
        reader.close()


def _status(shell: Shell) -> str:
    node = shell.node
    if node.halted is not None:
        return f"halted: {node.halted}"
    header = node.chain.tip.header
    return f"height {header.height}, epoch {header.epoch}, view {node.core.view}, stall {node.core.stall}"
