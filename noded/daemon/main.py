"""The daemon: opens a home, then runs network, shell and API in one nursery until told to stop."""

import gc
import signal
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Final

import structlog
import trio

from noded.api.serving import serve_api
from noded.config.model import NodeConfig
from noded.daemon.backend import NodeBackend
from noded.daemon.boot import Opened, clock_ms, open_home
from noded.daemon.figures import Figures
from noded.daemon.handler import PeerHandler
from noded.daemon.heap import keep_heap_small
from noded.daemon.logs import Logs
from noded.daemon.membership import known_peers
from noded.daemon.notify import notify
from noded.daemon.observing import Observer
from noded.daemon.pruning import Pruner
from noded.daemon.shell import Shell
from noded.daemon.watchdog import feed_watchdog
from noded.daemon.writing import Writer
from noded.errors import ConfigError, NodedError
from noded.keys.keystore import Keystore
from noded.keys.names import NETWORK
from noded.metrics import Metrics
from noded.network.addresses import format_address, parse_address
from noded.network.swarm import Libp2pNetwork
from noded.node.node import Node
from noded.storage.errors import StoreFailed, WalFailed

GC_OBJECTS: Final = 100_000
"""
New objects, less those that are gone, between two looks for cycles; Python's own 700 would look several times in every block.

More than two full blocks keep alive, so that blocks alone bring no look about: it would go through all they hold (a tenth
of executing them), and find 1,600 objects in half a million. What a running node has from its start is never looked at.
"""

log = structlog.get_logger("noded")


def run_daemon(config: NodeConfig, keystore: Keystore) -> None:
    """
    Run a node until SIGTERM or SIGINT; the caller holds the home's lock.

    Raises:
        ConfigError: The home's parts do not belong together.
        StorageError: The disk failed.
    """
    assert __debug__, "run without -O: the node's own checks are asserts"
    keep_heap_small()
    logs = Logs(config.log)
    with ExitStack() as stack:
        run_home(config, open_home(config, keystore, stack), logs)


def run_home(config: NodeConfig, opened: Opened, logs: Logs) -> None:
    """Run the node of a home that is open, until SIGTERM or SIGINT; errors as `run_daemon`."""
    logs.context = partial(_place, opened.node)
    gc.freeze()
    gc.enable()
    gc.set_threshold(GC_OBJECTS)
    try:
        trio.run(partial(_run, config, opened, logs))
    except BaseExceptionGroup as group:
        error = _expected(group)
        if error is None:
            raise
        raise error from None


def _expected(group: BaseExceptionGroup[BaseException]) -> NodedError | None:
    """The error that ended the nurseries, where it is one that says whose fault it is; of several not one that followed."""
    found: list[NodedError] = []
    for error in group.exceptions:
        inner = _expected(error) if isinstance(error, BaseExceptionGroup) else error
        if not isinstance(inner, NodedError):
            return None
        found.append(inner)
    return next((error for error in found if not isinstance(error, StoreFailed | WalFailed)), found[0])


def _place(node: Node) -> dict[str, object]:
    """Where the node is, for every line of the log."""
    return {"height": node.chain.height, "epoch": node.core.epoch, "view": node.core.view}


async def _run(config: NodeConfig, opened: Opened, logs: Logs) -> None:
    handler = PeerHandler()
    network = Libp2pNetwork(
        me=opened.me,
        seed=opened.keystore.secret(NETWORK),
        chain_id=opened.chain_id,
        listen=parse_address(config.network.listen),
        handler=handler,
        members=known_peers(opened.ledger.latest(), config),
    )
    metrics = Metrics()
    shell = Shell(
        node=opened.node,
        base=opened.base,
        signer=opened.signer,
        reader=opened.store,
        wal=opened.wal,
        network=network,
        writer_of=partial(Writer, opened.store, metrics.commit),
        clock_ms=clock_ms,
        observer=Observer(metrics, opened.node),
        members_changed=lambda: network.set_members(known_peers(opened.ledger.latest(), backend.config)),
    )
    certificate = config.api_settings().tls_certificate
    figures = Figures(shell=shell, network=network, home=config.home, certificate=certificate)
    metrics.observe_state(figures.read)
    backend = NodeBackend(config=config, opened=opened, shell=shell, network=network, metrics=metrics)
    handler.shell = shell
    handler.requests = backend
    with closing(backend):
        await _serve(opened, shell, network, backend, logs)


async def _serve(
    opened: Opened, shell: Shell, network: Libp2pNetwork, backend: NodeBackend, logs: Logs
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_heed_signals, backend, nursery.cancel_scope)
        host, port = await nursery.start(network.run)
        api = await nursery.start(serve_api, backend, backend.config.api_settings())
        pruner = Pruner(opened.store, backend.config.storage.keep_blocks)

        def apply(changed: NodeConfig) -> None:
            api.apply(changed.api_settings())
            logs.set_level(changed.log.level)
            network.set_members(known_peers(opened.ledger.latest(), changed))
            pruner.keep = changed.storage.keep_blocks

        backend.appliers.append(apply)
        nursery.start_soon(backend.run)
        nursery.start_soon(shell.run, opened.first_effects)
        nursery.start_soon(pruner.run)
        nursery.start_soon(feed_watchdog, shell, opened.store)
        header = opened.node.chain.tip.header
        log.info("ready", listen=format_address(host, port), height=header.height, epoch=header.epoch)
        notify(READY="1", STATUS=f"height {header.height}")
    notify(STOPPING="1")


async def _heed_signals(backend: NodeBackend, scope: trio.CancelScope) -> None:
    """SIGHUP reads the settings again; SIGTERM and SIGINT stop."""
    with trio.open_signal_receiver(signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if number == signal.SIGHUP:
                with suppress(ConfigError):  # It is in the log; the old settings stay.
                    await backend.reload()
            else:
                log.info("stopping", signal=signal.Signals(number).name)
                notify(STOPPING="1")
                scope.cancel()
