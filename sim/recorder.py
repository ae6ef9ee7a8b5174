"""Takes down what a run shows: blocks, who finalised them when, and what each second was like."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from noded.codec.schema import decode_value
from noded.ledger.commit import CommittedBlock
from noded.ledger.epoch import REPORTS, EpochReport
from noded.types.ids import InstitutionId
from noded.types.messages import Proposal
from noded.types.records import Record, VoteRecord
from noded.types.vote import VoteKind
from sim.cluster import Cluster
from sim.host import Host
from sim.network import Indices, Parcel
from sim.observer import Observer
from sim.statistics import median
from sim.workload.driver import Driver


@dataclass(slots=True)
class BlockRow:
    """One block that became final."""

    height: int
    hash: bytes
    epoch: int
    view: int
    kind: str
    proposer: int
    batches: int
    transactions: int
    applied: int
    bytes: int
    """Encodings of its batches."""
    proposed_ns: int
    """When its first proposal was sent; when it was first final, where nobody was to be told."""
    final_ns: "array[int]" = field(default_factory=lambda: array("q"))
    """When each correct node called it final, in order."""
    nodes: "array[int]" = field(default_factory=lambda: array("l"))
    """Those nodes."""


@dataclass(slots=True)
class Phase:
    """When correct nodes voted for a block."""

    notarized_ns: "array[int]" = field(default_factory=lambda: array("q"))
    finalized_ns: "array[int]" = field(default_factory=lambda: array("q"))


@dataclass(frozen=True, slots=True)
class Standing:
    """What an epoch's end made of one member, as the ledger worked it out."""

    node: int
    ended_ns: int
    """When the epoch's last block was first final."""
    report: EpochReport


@dataclass(frozen=True, slots=True)
class Finding:
    """What the ledger says of the members' conduct, evidence that counted or an alarm; evidence in a block, or why a node halted."""

    at_ns: int
    epoch: int
    name: str
    """Of the event; or evidence.enclosed, node.halted."""
    node: int | None
    """Whom it is about; None for an alarm."""
    detail: str


CONDUCT_EVENTS = ("evidence.counted", "epoch.alarm", "org.admitted", "org.removed")


@dataclass(frozen=True, slots=True)
class SecondRow:
    """The state of a run at a second."""

    second: int
    height: int
    """Of the correct node that is furthest ahead."""
    lowest: int
    """Of the correct node that is up and furthest behind."""
    transactions: int
    """Final so far."""
    waiting: int
    messages: int
    bytes: int
    lost: int
    up: int
    inbox: int
    """The longest queue that a node ever had."""


class Recorder(Observer):
    """Records a run."""

    def __init__(self, cluster: Cluster, driver: Driver) -> None:
        self._cluster = cluster
        self._driver = driver
        self.blocks: dict[int, BlockRow] = {}
        """By height."""
        self.phases: dict[bytes, Phase] = {}
        self.seconds: list[SecondRow] = []
        self.standings: list[Standing] = []
        """By epoch, then member."""
        self.findings: list[Finding] = []
        self.at_warmup = (0, 0)
        """Messages and bytes sent before figures count."""
        self.at_end = (0, 0)
        """Messages and bytes sent when they cease to."""
        self.penalties: dict[tuple[int, int, str], int] = {}
        self._proposed: dict[bytes, int] = {}
        self._transactions = 0

    def sent(self, host: Host, targets: Indices, parcel: Parcel) -> None:
        """The first proposal of a block counts."""
        if isinstance(parcel.message, Proposal):
            self._proposed.setdefault(parcel.message.block.hash, self._cluster.engine.now)

    def persisted(self, host: Host, records: Sequence[Record]) -> None:
        """Votes show how far a block has come."""
        if not host.is_correct:
            return
        now = self._cluster.engine.now
        for record in records:
            if isinstance(record, VoteRecord) and record.vote.block_hash is not None:
                phase = self.phases.get(record.vote.block_hash)
                if phase is None:
                    phase = self.phases[record.vote.block_hash] = Phase()
                is_notarize = record.vote.kind is VoteKind.NOTARIZE
                (phase.notarized_ns if is_notarize else phase.finalized_ns).append(now)

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """A correct node calls blocks final."""
        if not host.is_correct:
            return
        now = self._cluster.engine.now
        for committed in blocks:
            row = self.blocks.get(committed.block.header.height)
            if row is None:
                row = self._add_block(committed)
            row.final_ns.append(now)
            row.nodes.append(host.index)

    def penalized(self, host: Host, culprit: int, reason: str) -> None:
        """Count who found fault with whom."""
        key = host.index, culprit, reason
        self.penalties[key] = self.penalties.get(key, 0) + 1

    def halted(self, host: Host, reason: str) -> None:
        """A node stopped voting."""
        epoch = host.node.validators.epoch
        self.findings.append(Finding(self._cluster.engine.now, epoch, "node.halted", host.index, reason))

    def warmed_up(self) -> None:
        """From now on figures count."""
        traffic = self._cluster.network.traffic
        self.at_warmup = traffic.messages, traffic.bytes

    def ended(self) -> None:
        """From now on they do not."""
        traffic = self._cluster.network.traffic
        self.at_end = traffic.messages, traffic.bytes

    def tick(self, second: int) -> None:
        """A second is over."""
        hosts = self._cluster.correct
        traffic = self._cluster.network.traffic
        heights = [int(host.archive.height) for host in hosts if host.is_up] or [0]
        self.seconds.append(
            SecondRow(
                second=second,
                height=max(heights),
                lowest=min(heights),
                transactions=self._transactions,
                waiting=self._driver.waiting,
                messages=traffic.messages,
                bytes=traffic.bytes,
                lost=traffic.lost,
                up=sum(host.is_up for host in self._cluster.hosts),
                inbox=max(host.inbox_peak for host in self._cluster.hosts),
            )
        )

    def finality_ns(self, row: BlockRow) -> float:
        """From a block's first proposal to its finalization, median over correct nodes."""
        middle = median(row.final_ns)
        assert middle is not None
        return middle - row.proposed_ns

    def _add_block(self, committed: CommittedBlock) -> BlockRow:
        header = committed.block.header
        applied = sum(entry.applied for entry in committed.entries)
        self._transactions += len(committed.entries)
        row = BlockRow(
            height=header.height,
            hash=committed.block.hash,
            epoch=header.epoch,
            view=header.view,
            kind=header.kind.name,
            proposer=self._cluster.world.index_of[header.proposer],
            batches=len(committed.batches),
            transactions=len(committed.entries),
            applied=applied,
            bytes=sum(len(batch.encoding) for batch in committed.batches),
            proposed_ns=self._proposed.get(committed.block.hash, self._cluster.engine.now),
        )
        self.blocks[header.height] = row
        self._note_conduct(committed)
        return row

    def _note_conduct(self, committed: CommittedBlock) -> None:
        now, index_of = self._cluster.engine.now, self._cluster.world.index_of
        for key, value in committed.index:
            if key.startswith(REPORTS) and value is not None:
                member = InstitutionId(key[len(REPORTS) :][:16])
                report = decode_value(EpochReport, value, max_bytes=len(value))
                self.standings.append(Standing(index_of[member], now, report))
        epoch = committed.block.header.epoch
        for piece in committed.block.body.evidence:
            culprit = index_of[piece.culprit]
            self.findings.append(Finding(now, epoch, "evidence.enclosed", culprit, "evidence in a block"))
        for placed in committed.events:
            event = placed.event
            if event.name in CONDUCT_EVENTS:
                node = index_of.get(InstitutionId(event.subject))
                self.findings.append(
                    Finding(now, epoch, event.name, node, event.detail.decode() or event.name)
                )
