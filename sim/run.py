"""One run of one scenario, from start to verdict."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Literal

from noded.node.parameters import consensus_params
from sim.byzantine import Coalition
from sim.checkers import CHECKERS, Checker, Context, Violation
from sim.checkers.accountability import Accountability
from sim.checkers.base import Tables
from sim.cluster import Cluster
from sim.memo import shared_work
from sim.observer import Observer
from sim.recorder import Recorder
from sim.scenario.explicit import make_explicit
from sim.scenario.model import Scenario
from sim.statistics import quantile
from sim.workload.accounts import Notary
from sim.workload.acts import Acts
from sim.workload.desk import Desk
from sim.workload.driver import Driver

SECOND = 1_000_000_000

GC_THRESHOLDS = (500_000, 20, 20)
"""
Allocations between two looks for cycles, and how many of these look at older objects, too.

Nearly all that a run allocates is freed by counting references. Python's own first number, 700, makes a run of 200 nodes
look through all their state again and again. A process that simulates keeps these to its end: to look for cycles once
more when a run is over would cost as much as a simulated second.
"""

Verdict = Literal["pass", "stalled", "violated", "model-violated", "crashed"]
"""
"violated": a safety claim does not hold; "stalled": a liveness claim; "model-violated": one or the other, but more was
faulty than the protocol promises to bear; "crashed": a node raised what it must never raise.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run; nothing of this changes what happens, up to where `keep_going` goes on."""

    memo: bool = True
    """Share pure work among nodes."""
    wire: bool = False
    """Encode and decode every message on every hop."""
    checkers: Sequence[type[Checker]] = CHECKERS
    keep_going: bool = False
    """Go on after a violation."""
    observers: Sequence[Callable[[Cluster], Observer]] = ()
    """Further ones, made for the run's cluster."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    simulated_ns: int
    total_ns: int
    events: int
    wall_s: float
    height: int
    recent_ms: tuple[float, ...]
    """Finality of the last blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Milliseconds; None where nothing was measured."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run showed."""

    scenario: Scenario
    """The explicit one."""
    kept_going: bool
    """Whether it went on after violations."""
    verdict: Verdict
    event_hash: str
    blocks_per_s: float
    tx_per_s: float
    finality_ms: Quantiles
    tx_finality_ms: Quantiles
    """Of transactions that became final."""
    tx_unfinished: float | None
    """Share of the transactions that count which did not; where it is not small, these quantiles are too."""
    messages: int
    messages_per_block: float | None
    bytes_per_block: float | None
    simulated_s: float
    wall_s: float
    events: int
    violations: tuple[Violation, ...]
    culprits: tuple[int, ...]
    """Nodes that the votes in circulation convict."""
    cluster: Cluster
    recorder: Recorder
    driver: Driver


class Run:
    """A run under way."""

    def __init__(self, scenario: Scenario, options: Options) -> None:
        self.scenario = make_explicit(scenario)
        self._options = options
        self._coalition = Coalition(self.scenario)
        self.cluster = Cluster(
            self.scenario, memo=options.memo, wire=options.wire, behave=self._coalition.behave
        )
        self._coalition.join(self.cluster)
        seeds = [keys.account for keys in self.cluster.consortium.keys]
        notary = Notary(self.cluster.chain_id, seeds, self.cluster.judge.signed)
        self._driver = Driver(self.cluster, notary, end_ns=self.scenario.time.duration)
        self._desk = Desk(self.cluster, notary)
        self._acts = Acts(self.cluster, self._desk)
        self.recorder = Recorder(self.cluster, self._driver)
        self._violations: list[Violation] = []
        self._tables = Tables()
        self._checkers = self._make_checkers()
        for observer in (self._tables, self._driver, self._desk, self._acts, self.recorder, *self._checkers):
            self.cluster.world.observers.add(observer)
        for make in options.observers:
            self.cluster.world.observers.add(make(self.cluster))

    def start(self) -> None:
        """Schedule what happens first."""
        self.cluster.start()
        self._driver.start()
        self._acts.start()

    def go(self, report: Callable[[Progress], None]) -> Result:
        """Run to the end, or to the first violation."""
        began = perf_counter()
        time, engine = self.scenario.time, self.cluster.engine
        self.start()
        engine.at(time.warmup, self.recorder.warmed_up)
        total = time.duration + time.heal
        stopped = self._run_to(0, time.duration, partial(self._progress, total, began, report))
        self.recorder.ended()
        if time.heal and not stopped:
            self._heal()
            self._run_to(time.duration, total, partial(self._progress, total, began, report))
        for checker in self._checkers:
            checker.finish()
        return self._result(perf_counter() - began)

    def _run_to(self, start: int, end: int, report: Callable[[], None]) -> bool:
        """
        Run in steps of a second, when healing until no checker waits for anything more.

        Returns:
            Whether a violation ended it.
        """
        engine = self.cluster.engine
        now = start
        while now < end:
            now = min(end, now + SECOND)
            engine.run(until=now)
            self.recorder.tick(now // SECOND)
            for checker in self._checkers:
                checker.tick()
            report()
            if self._violations and not self._options.keep_going:
                return True
            if start and all(checker.is_content() for checker in self._checkers):
                return False
        return False

    def _heal(self) -> None:
        self._coalition.fall_silent()
        self.cluster.faults.heal()
        for checker in self._checkers:
            checker.healed()

    def _make_checkers(self) -> list[Checker]:
        params = consensus_params(self.cluster.genesis.parameters)
        context = Context(
            scenario=self.scenario,
            genesis=self.cluster.genesis,
            chain_id=self.cluster.chain_id,
            world=self.cluster.world,
            hosts=self.cluster.hosts,
            tables=self._tables,
            is_submitted=lambda name: self._driver.is_submitted(name) or self._desk.is_submitted(name),
            quiet_since=self.cluster.faults.quiet_since,
            base_timeout_ns=params.base_timeout_ms * 1_000_000,
        )
        return [checker(context, self._report) for checker in self._options.checkers]

    def _report(self, violation: Violation) -> None:
        self._violations.append(violation)
        if not self._options.keep_going:
            self.cluster.engine.stop()
        for checker in self._checkers:
            if isinstance(checker, Accountability) and violation.checker == "agreement":
                checker.disagreement = True

    def _progress(self, total: int, began: float, report: Callable[[Progress], None]) -> None:
        engine, blocks = self.cluster.engine, self.recorder.blocks
        last = max(blocks, default=0)
        recent = [blocks[height] for height in range(max(1, last - 19), last + 1) if height in blocks]
        report(
            Progress(
                simulated_ns=engine.now,
                total_ns=total,
                events=engine.stats().events,
                wall_s=perf_counter() - began,
                height=last,
                recent_ms=tuple(self.recorder.finality_ns(row) / 1e6 for row in recent),
            )
        )

    def _verdict(self) -> Verdict:
        kinds = [violation.kind for violation in self._violations]
        if not kinds:
            return "pass"
        if "crash" in kinds:
            return "crashed"
        if self._is_beyond_model():
            return "model-violated"
        return "violated" if "safety" in kinds else "stalled"

    def _is_beyond_model(self) -> bool:
        """Whether in some epoch more power was byzantine, or had lost its log, than the protocol bears."""
        bad = [host.name for host in self.cluster.hosts if not host.is_correct or host.is_log_lost]
        return any(
            3 * sum(map(validators.power, bad)) >= validators.total
            for validators in self._tables.by_epoch.values()
        )

    def _result(self, wall_s: float) -> Result:
        scenario, recorder = self.scenario, self.recorder
        engine, traffic = self.cluster.engine, self.cluster.network.traffic
        end = min(engine.now, scenario.time.duration)
        window_s = max(end - scenario.time.warmup, 0) / SECOND
        rows = [
            row
            for row in recorder.blocks.values()
            if scenario.time.warmup <= row.proposed_ns + int(recorder.finality_ns(row)) <= end
        ]
        outcomes = self._driver.outcomes
        waits = [
            (final - intended) / 1e6
            for intended, final in zip(outcomes.intended_ns, outcomes.final_ns, strict=True)
            if intended >= scenario.time.warmup
        ]
        messages, sent_bytes = (
            after - before for before, after in zip(recorder.at_warmup, recorder.at_end, strict=True)
        )
        culprits = [checker.culprits() for checker in self._checkers if isinstance(checker, Accountability)]
        return Result(
            scenario=scenario,
            kept_going=self._options.keep_going,
            verdict=self._verdict(),
            event_hash=engine.hexdigest(),
            blocks_per_s=len(rows) / window_s if window_s else 0.0,
            tx_per_s=sum(row.transactions for row in rows) / window_s if window_s else 0.0,
            finality_ms=_quantiles([recorder.finality_ns(row) / 1e6 for row in rows]),
            tx_finality_ms=_quantiles(waits),
            tx_unfinished=1 - len(waits) / counted if (counted := self._driver.counted) else None,
            messages=traffic.messages,
            messages_per_block=messages / len(rows) if rows else None,
            bytes_per_block=sent_bytes / len(rows) if rows else None,
            simulated_s=engine.now / SECOND,
            wall_s=wall_s,
            events=engine.stats().events,
            violations=tuple(self._violations),
            culprits=tuple(culprits[0]) if culprits else (),
            cluster=self.cluster,
            recorder=recorder,
            driver=self._driver,
        )


def simulate(
    scenario: Scenario,
    options: Options = Options(),
    report: Callable[[Progress], None] = lambda progress: None,
) -> Result:
    """
    Run a scenario.

    Args:
        scenario: What to simulate.
        options: How; the event hash does not depend on it.
        report: Called about once a second of virtual time.

    Raises:
        ConfigError: The scenario contradicts itself.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    with shared_work(memo=options.memo):
        return Run(scenario, options).go(report)


def begin(scenario: Scenario) -> None:
    """
    Do what a run does before anything happens.

    Raises:
        ConfigError: The scenario contradicts itself, or names files or nodes that do not exist.
    """
    with shared_work(memo=True):
        Run(scenario, Options()).start()


def _quantiles(values: list[float]) -> Quantiles:
    return Quantiles(p50=quantile(values, 0.5), p95=quantile(values, 0.95), p99=quantile(values, 0.99))
