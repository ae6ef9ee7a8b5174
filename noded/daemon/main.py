"""The daemon: opens a home, then runs network, shell and API in one nursery until told to stop."""

import signal
from contextlib import ExitStack, closing
from functools import partial

import structlog
import trio

from noded.api.serving import serve_api
from noded.config.model import NodeConfig
from noded.daemon.backend import NodeBackend
from noded.daemon.boot import Opened, clock_ms, open_home
from noded.daemon.handler import PeerHandler
from noded.daemon.membership import known_peers
from noded.daemon.notify import notify
from noded.daemon.observing import Observer
from noded.daemon.shell import Shell
from noded.daemon.watchdog import feed_watchdog
from noded.daemon.writing import Writer
from noded.keys.names import NETWORK
from noded.metrics import Metrics
from noded.network.addresses import format_address, parse_address
from noded.network.swarm import Libp2pNetwork

log = structlog.get_logger("noded")


def run_daemon(config: NodeConfig) -> None:
    """
    Run a node until SIGTERM or SIGINT.

    Raises:
        ConfigError: The home's parts do not belong together.
        StorageError: The disk failed, or another process uses the home.
    """
    assert __debug__, "run without -O: the node's own checks are asserts"
    with ExitStack() as stack:
        opened = open_home(config, stack)
        trio.run(partial(_run, config, opened))


async def _run(config: NodeConfig, opened: Opened) -> None:
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
        observer=Observer(metrics, opened.node, network),
        members_changed=lambda: network.set_members(known_peers(opened.ledger.latest(), config)),
    )
    backend = NodeBackend(config=config, opened=opened, shell=shell, network=network, metrics=metrics)
    handler.shell = shell
    handler.requests = backend
    with closing(backend):
        await _serve(config, opened, shell, network, backend)


async def _serve(
    config: NodeConfig, opened: Opened, shell: Shell, network: Libp2pNetwork, backend: NodeBackend
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, nursery.cancel_scope)
        host, port = await nursery.start(network.run)
        api = await nursery.start(serve_api, backend, config.api_settings())
        backend.appliers.append(lambda changed: api.apply(changed.api_settings()))
        nursery.start_soon(backend.run)
        nursery.start_soon(shell.run, opened.first_effects)
        nursery.start_soon(feed_watchdog, shell, opened.store)
        header = opened.node.chain.tip.header
        log.info("ready", listen=format_address(host, port), height=header.height, epoch=header.epoch)
        notify(READY="1", STATUS=f"height {header.height}")
    notify(STOPPING="1")


async def _stop_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            notify(STOPPING="1")
            scope.cancel()
