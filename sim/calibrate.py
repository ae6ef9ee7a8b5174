"""
What a node's operations cost on this machine, measured on the node itself.

A small network runs with every node doing all of its work, and each step is timed by the processor time it took, apart
from signing and from executing blocks, which have prices of their own. A price is a straight line through what was
seen: so many nanoseconds, and so many for each byte or item.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from noded.crypto.signing import secret_of, sign, verify_many
from noded.ledger.ledger import Ledger
from noded.node.effects import Effect
from noded.node.inputs import Input, MessageReceived, TransactionsSubmitted
from noded.types.checks import SignatureCheck
from noded.types.ids import PublicKey, Signature, TimestampMs
from noded.types.messages import BULK_MESSAGE_BYTES_MAX, MESSAGES, BatchPushed, Message, Proposal, Votes
from sim.cluster import Cluster
from sim.host import Host, Steps
from sim.judge import SimSigner
from sim.models.cpu import Costs, Price
from sim.network import Indices, Parcel
from sim.observer import Observer
from sim.run import Options, simulate
from sim.scenario.load import make_scenario
from sim.statistics import median

Sample = tuple[int, int]
"""Size, and nanoseconds that it took."""

LOADS: Final = ({"rate": 50}, {"rate": 400, "post": 20}, {"rate": 1200, "post": 100})
"""From blocks with a few transactions to blocks with hundreds."""

KINDS: Final[dict[type[Message], str]] = {Votes: "votes", Proposal: "proposal", BatchPushed: "batch"}

RECEIVED: Final = ("votes", "proposal", "batch", "message")

MESSAGES_TIMED: Final = 200
"""Of each kind that are encoded and decoded."""

SIGNATURES: Final = 200
HOPS: Final = 200
FSYNCS: Final = 100
WARMUP_STEPS: Final = 300
"""At first caches are cold and tables empty."""

OUTLIERS: Final = 0.02
"""The slowest of all samples are left out: something else happened there."""


def measure_core(seconds: float = 3.0) -> Costs:
    """The prices of all that happens between a message's bytes and the next message's bytes."""
    watch = _Watch()
    for load in LOADS:
        watch.begin()
        scenario = make_scenario(_scenario(load, seconds))
        with watch.counting():
            simulate(scenario, Options(memo=False, checkers=(), observers=[watch.of_cluster]))
    prices = {name: fit(samples) for name, samples in watch.samples.items()}
    decoding, encoding = _codec(watch.messages)
    for name in RECEIVED:
        prices[name] = _sum(prices.get(name, Price(0, 0)), decoding)
    prices["send"] = encoding
    prices["sign"], prices["verify"] = _signatures()
    prices["hop"] = Price(_hop_ns(), 0)
    return Costs(**prices)


def measure_fsync_ns() -> int:
    """The median time of an fsync of a small record, on the disk that holds temporary files."""
    with TemporaryDirectory(prefix="noded-sim-") as folder:
        descriptor = os.open(Path(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            waits = []
            for _ in range(FSYNCS):
                os.write(descriptor, bytes(1024))
                began = time.perf_counter_ns()
                os.fdatasync(descriptor)
                waits.append(float(time.perf_counter_ns() - began))
        finally:
            os.close(descriptor)
    return round(median(waits) or 0.0)


def fit(samples: Sequence[Sample]) -> Price:
    """The line through samples by least squares, never falling and never below zero."""
    kept = sorted(samples, key=lambda sample: sample[1])[: max(1, round(len(samples) * (1 - OUTLIERS)))]
    sizes = np.array([size for size, _ in kept], dtype=float)
    times = np.array([took for _, took in kept], dtype=float)
    if np.ptp(sizes) == 0:
        return Price(round(float(times.mean())), 0)
    each, fixed = np.polyfit(sizes, times, 1)
    if each < 0:
        return Price(round(float(times.mean())), 0)
    if fixed < 0:
        return Price(0, round(float(times.sum() / sizes.sum()), 1))
    return Price(round(float(fixed)), round(float(each), 1))


class _Watch(Observer):
    """Times the steps of all nodes of a run."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.messages: dict[str, list[Message]] = {}
        self._apart = 0
        """Nanoseconds of the running step that have prices of their own."""
        self._steps = 0

    def of_cluster(self, cluster: Cluster) -> Observer:
        """To be added to a run."""
        return self

    def begin(self) -> None:
        """Another run begins."""
        self._steps = 0

    def started(self, host: Host) -> None:
        """Put a stopwatch before the node."""
        host.steps = _Timed(host.steps, self)

    def sent(self, host: Host, targets: Indices, parcel: Parcel) -> None:
        """Keep some messages of each kind."""
        if parcel.message is not None:
            kept = self.messages.setdefault(type(parcel.message).__name__, [])
            if len(kept) < MESSAGES_TIMED and self._steps > WARMUP_STEPS:
                kept.append(parcel.message)

    def took(self, event: Input, nanoseconds: int) -> None:
        """A step is over."""
        apart, self._apart = self._apart, 0
        self._steps += 1
        if self._steps > WARMUP_STEPS:
            name, size = _name_and_size(event)
            self._add(name, size, nanoseconds - apart)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Time execution and signing apart from the steps in which they happen."""
        execute, signing = Ledger._execute, SimSigner.sign

        def timed_execute(ledger: Ledger, block: Any, batches: Any) -> Any:
            began = time.thread_time_ns()
            execution = execute(ledger, block, batches)
            took = time.thread_time_ns() - began
            self._apart += took
            self._add("execute", len(execution.entries), took)
            return execution

        def timed_sign(signer: SimSigner, message: bytes) -> Signature:
            began = time.thread_time_ns()
            signature = signing(signer, message)
            self._apart += time.thread_time_ns() - began
            return signature

        with (
            patch.object(Ledger, "_execute", timed_execute),
            patch.object(SimSigner, "sign", timed_sign),
        ):
            yield

    def _add(self, name: str, size: int, nanoseconds: int) -> None:
        self.samples.setdefault(name, []).append((size, nanoseconds))


class _Timed:
    """A node with a stopwatch."""

    def __init__(self, inner: Steps, watch: _Watch) -> None:
        self._inner = inner
        self._watch = watch

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """Step the node."""
        began = time.thread_time_ns()
        effects = self._inner.step(event, now_ms)
        self._watch.took(event, time.thread_time_ns() - began)
        return effects


def _name_and_size(event: Input) -> tuple[str, int]:
    match event:
        case MessageReceived(_, message):
            return KINDS.get(type(message), "message"), len(MESSAGES.encode(message))
        case TransactionsSubmitted(_, transactions):
            return "submit", sum(map(len, transactions))
        case _:
            return "step", 1


def _codec(messages: dict[str, list[Message]]) -> tuple[Price, Price]:
    """Decoding and encoding of a message, by bytes."""
    decoding: list[Sample] = []
    encoding: list[Sample] = []
    for message in (message for same in messages.values() for message in same):
        payload = MESSAGES.encode(message)
        encoding.append((len(payload), _timed(partial(MESSAGES.encode, message))))
        decode = partial(MESSAGES.decode, payload, max_bytes=BULK_MESSAGE_BYTES_MAX)
        decoding.append((len(payload), _timed(decode)))
    return fit(decoding), fit(encoding)


def _signatures() -> tuple[Price, Price]:
    """Making one, and checking one among many."""
    secret = secret_of(bytes(32))
    public = PublicKey(secret[32:])
    messages = [number.to_bytes(100, "big") for number in range(SIGNATURES)]
    made: list[bytes] = []
    signing = _timed(lambda: made.extend(sign(secret, message) for message in messages))
    checks = [
        SignatureCheck(public, message, Signature(signature))
        for message, signature in zip(messages, made, strict=True)
    ]
    checking = _timed(lambda: verify_many(checks))
    return Price(0, round(signing / SIGNATURES)), Price(0, round(checking / SIGNATURES))


def _hop_ns() -> float:
    """Processor time of handing work to another thread and taking the result."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        began = time.process_time_ns()
        for _ in range(HOPS):
            executor.submit(int).result()
        return round((time.process_time_ns() - began) / HOPS)


def _timed(work: Callable[[], object]) -> int:
    began = time.thread_time_ns()
    work()
    return time.thread_time_ns() - began


def _sum(first: Price, second: Price) -> Price:
    return Price(first.fixed + second.fixed, round(first.each + second.each, 1))


def _scenario(load: dict[str, int], seconds: float) -> dict[str, Any]:
    return {
        "name": "calibration",
        "time": {"duration": f"{seconds}s", "warmup": "1s"},
        "nodes": {"count": 4},
        "network": {"latency": "1ms"},
        "cpu": {"model": "none"},
        "workload": {"model": "constant", "mix": {"record": 1.0}, **load},
    }
