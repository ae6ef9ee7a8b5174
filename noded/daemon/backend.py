"""What the API asks of a running node, put together from its parts."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, TypeVar

import structlog
import trio
from prometheus_client import Counter, Histogram

from noded.api.backend import (
    Busy,
    Check,
    Outcome,
    StateAt,
    Status,
    open_state,
)
from noded.api.chain_data import outcomes_of
from noded.blobs.serving import REFUSAL
from noded.config import NodeConfig, reload
from noded.daemon.boot import Opened, clock_ms
from noded.daemon.calls import Overloaded
from noded.daemon.custody import REQUEST_BLOB, Custody
from noded.daemon.notify import notify
from noded.daemon.proving import prove
from noded.daemon.reading import Reading
from noded.daemon.shell import Shell
from noded.daemon.standing import readiness, status
from noded.errors import ConfigError
from noded.keys.names import DATA
from noded.metrics import Metrics
from noded.network.interface import Network, PeerStatistics
from noded.node.effects import Submission
from noded.storage.store import Reader
from noded.types.genesis import Genesis
from noded.types.ids import InstitutionId, TransactionHash

READERS: Final = 2
"""Longer queries at a time, each in a thread with a reader of its own; more would only wait for each other."""

MIB: Final = 1024 * 1024

T = TypeVar("T")

Applier = Callable[[NodeConfig], None]
"""Takes over settings that changed; raises `ConfigError` if it cannot use them, having changed nothing."""

log = structlog.get_logger("noded")


class NodeBackend:
    """Implements `noded.api.backend.Backend`, and answers other members' requests."""

    def __init__(
        self, *, config: NodeConfig, opened: Opened, shell: Shell, network: Network, metrics: Metrics
    ) -> None:
        """
        Open the records of a home; `close` releases them.

        Raises:
            ConfigError: The records were sealed under another key.
            StorageError: The disk failed.
        """
        self.config = config
        self.appliers: list[Applier] = []
        """Told of new settings, in order."""
        self._opened = opened
        self._shell = shell
        self._network = network
        self._metrics = metrics
        self._counts: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._started_ms = clock_ms()
        self._stack = ExitStack()
        self._reader = self._open_reader()
        self._readers = [self._open_reader() for _ in range(READERS)]
        self._threads = trio.CapacityLimiter(READERS)
        home, reserve_bytes = config.home, config.storage.reserve_mib * MIB
        self.custody = Custody(
            home=home,
            reserve_bytes=reserve_bytes,
            data_key=opened.keystore.secret(DATA),
            chain_id=opened.chain_id,
            me=opened.me,
            store=opened.store,
            look=self.look,
            clock_ms=clock_ms,
        )
        self._stack.callback(self.custody.close)
        self.reading = Reading(
            home=home,
            reserve_bytes=reserve_bytes,
            me=opened.me,
            custody=self.custody,
            store=opened.store,
            network=network,
            look=self.look,
            clock_ms=clock_ms,
            count_bytes=metrics.blob_bytes.labels("in").inc,
        )
        self.keep = self.custody.keep
        self.record_bytes = self.custody.record_bytes
        self.read_record = self.custody.read_record
        self.erase = self.reading.erase
        self.release = self.custody.release
        self.wrap = self.reading.wrap
        self.sealed_keys = self.reading.sealed_keys
        self.fetch = self.reading.fetch
        self.manifest = self.reading.manifest
        self.segments = self.reading.segments

    def close(self) -> None:
        """Release files and readers."""
        self._stack.close()

    async def run(self) -> None:
        """Forget what has expired, until cancelled."""
        await self.reading.run()

    @property
    def me(self) -> InstitutionId:
        """The institution whose node this is."""
        return self._opened.me

    @property
    def genesis(self) -> Genesis:
        """The founding document."""
        return self._opened.genesis

    # How it stands

    def status(self) -> Status:
        """How the node stands now."""
        shell = self._shell
        since_s = shell.started_s if shell.stored_s is None else shell.stored_s
        return status(
            self._opened.node,
            self._network,
            me=self.me,
            stored=shell.stored_height,
            started_ms=self._started_ms,
            quiet_ms=int((trio.current_time() - since_s) * 1000),
            has_stored=shell.stored_s is not None,
            now_ms=clock_ms(),
        )

    def readiness(self) -> Sequence[Check]:
        """The conditions of being ready."""
        return readiness(self.status(), self._opened.node.looked_to)

    def peers(self) -> Sequence[PeerStatistics]:
        """The other members, by id."""
        return self._network.peers()

    def render_metrics(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return self._metrics.render()

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer of the API."""
        answers, duration = self._counts.get((route, status)) or self._count(route, status)
        answers.inc()
        duration.observe(seconds)

    def _count(self, route: str, status: int) -> tuple[Counter, Histogram]:
        """The figures of a route's answers, looked up once: a node has some hundred."""
        found = (
            self._metrics.api_requests.labels(route, str(status)),
            self._metrics.api_duration.labels(route),
        )
        self._counts[route, status] = found
        return found

    # Transactions

    async def submit(self, transactions: tuple[bytes, ...]) -> Sequence[Submission]:
        """Hand in encoded transactions; what became of each, in order."""
        try:
            return await self._shell.calls.submit(transactions)
        except Overloaded as error:
            raise Busy(str(error)) from error

    async def wait_transactions(
        self, transactions: Sequence[TransactionHash], outcomes: dict[TransactionHash, Outcome]
    ) -> None:
        """Wait until transactions are final, and note what became of each."""

        def look(names: Sequence[TransactionHash]) -> Mapping[TransactionHash, Outcome]:
            return self.look(lambda at: outcomes_of(at, names))

        await self._shell.waiters.transactions(transactions, look, outcomes)

    async def wait_block(self) -> None:
        """Wait until the next block is durable."""
        await self._shell.waiters.block()

    # Reading

    def look(self, query: Callable[[StateAt], T]) -> T:
        """Run a short query here and now."""
        return _run(self._reader, query)

    async def read(self, query: Callable[[StateAt], T]) -> T:
        """Run a longer query in a thread."""

        def run() -> T:
            reader = self._readers.pop()
            try:
                return _run(reader, query)
            finally:
                self._readers.append(reader)

        return await trio.to_thread.run_sync(run, limiter=self._threads)

    async def prove(self, key: bytes) -> bytes:
        """That the state has a value at a key, or none."""
        opened = self._opened
        return await prove(opened.ledger, opened.genesis, self._reader, self._shell.waiters, key)

    # Other members

    async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
        """Answer a member's request; see `noded.network.interface.Handler`."""
        answer = await self.custody.answer(peer, kind, payload)
        is_refused = answer in (b"", REFUSAL)
        self._metrics.blob_requests.labels("refused" if is_refused else "served").inc()
        if kind == REQUEST_BLOB and not is_refused:
            self._metrics.blob_bytes.labels("out").inc(len(answer))
        return answer

    # Operation

    async def reload(self) -> Sequence[str]:
        """
        Read the settings again; the keys that need a restart to take effect.

        Raises:
            ConfigError: They are bad; the old ones stay.
        """
        notify(RELOADING="1")
        try:
            config, changes = reload(self.config, os.environ)
            for apply in self.appliers:
                apply(config)
        except ConfigError as error:
            log.error("the settings are bad, the old ones stay", why=str(error))
            self._metrics.reloads.labels("bad").inc()
            self._metrics.reload_failed.set(1)
            raise
        finally:
            notify(READY="1")
        self._metrics.reloads.labels("good").inc()
        self._metrics.reload_failed.set(0)
        self.config = config
        log.info("the settings were read again", changes=len(changes))
        for change in changes:
            log.info("a setting changed", key=change.key, new=change.new, needs_restart=change.needs_restart)
        return [change.key for change in changes if change.needs_restart]

    def _open_reader(self) -> Reader:
        reader = self._opened.store.reader()
        self._stack.callback(reader.close)
        return reader


def _run(reader: Reader, query: Callable[[StateAt], T]) -> T:
    with reader.snapshot():
        return query(open_state(reader))
