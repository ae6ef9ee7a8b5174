"""Everything the core knows about the epoch that it is in; the verbs beside it change it."""

from noded.consensus.ballots import Ballots
from noded.consensus.certificates import CertificateStore
from noded.consensus.checks import CheckQueue
from noded.consensus.effects import Effect, PenalizePeer, Persist, Send, StartTimer
from noded.consensus.inputs import Timer, TimerKind
from noded.consensus.pacemaker import Pacemaker
from noded.consensus.params import ConsensusParams
from noded.consensus.repair import Repair
from noded.consensus.routes import Routes
from noded.consensus.rules import EpochFacts
from noded.consensus.signer import Signer, takes_part
from noded.consensus.tally import ViewVotes
from noded.consensus.tree import BlockTree, Entry
from noded.errors import InvalidMessage
from noded.types.block import Block, BlockHeader
from noded.types.ids import VALIDATORS_MAX, ChainId, Epoch, PeerId, TimestampMs, ValidatorId, View
from noded.types.messages import (
    Certificates,
    ConsensusMessage,
    EpochEntry,
    Message,
    Proposal,
    ProposalSeen,
    Votes,
)
from noded.types.records import BlockRecord, CertificateRecord, Record
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate

AHEAD_VIEWS = 64
"""Views ahead of the current one for which votes are kept; beyond, only certificates are (R14)."""

NO_VIEW = View(0)
"""Of timers that are not about one view."""

BEHIND_VIEWS = 64
"""Views behind the current one for which votes are kept: F votes of the last STICKY_VIEWS, late votes, evidence."""


class NextEpochBuffer:
    """Messages of the next epoch, kept until this node enters it: of each peer the last of each type (R20)."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[tuple[PeerId, type], ConsensusMessage] = {}

    def keep(self, peer: PeerId, message: ConsensusMessage) -> None:
        """Keep a proposal, votes or certificates; nothing else is worth it."""
        key = (peer, type(message))
        if type(message) in (Proposal, Votes, Certificates) and (
            key in self._kept or len(self._kept) < 3 * VALIDATORS_MAX
        ):
            self._kept[key] = message

    def take(self) -> list[tuple[PeerId, ConsensusMessage]]:
        """All that was kept, in order of first arrival."""
        kept = [(key[0], message) for key, message in self._kept.items()]
        self._kept = {}
        return kept


class Offer:
    """The proposal of a view, as far as this node has judged it."""

    __slots__ = ("entry", "is_early", "is_placed", "is_refused", "proposal")

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.entry: Entry | None = None
        """The block in the tree; None until all signatures are verified."""
        self.is_placed = False
        """Whether its parent may be built on and all views between are nullified (R2)."""
        self.is_early = False
        """Whether a timer will bring it back when its time has come (R13)."""
        self.is_refused = False
        """Whether this block will never get this node's N vote."""


class EpochState:
    """
    One epoch as this node sees it.

    Handlers of inputs add facts (votes, certificates, blocks, verdicts) and set `is_dirty`; `acting` then does what
    follows from the facts. So nothing calls back into what called it.
    """

    __slots__ = (
        "ballots",
        "belated",
        "building",
        "certificates",
        "checks",
        "ending",
        "entered_ms",
        "entry",
        "epoch",
        "f_cast",
        "f_sent",
        "f_timed",
        "facts",
        "final_view",
        "finality_attempt",
        "finality_timer",
        "forget_at",
        "index",
        "informed_ms",
        "is_dirty",
        "is_ended",
        "is_rushed",
        "is_voter",
        "is_working",
        "me",
        "next_epoch",
        "now_ms",
        "offered_view",
        "offers",
        "out",
        "pace",
        "params",
        "previous",
        "proof",
        "propose_at_ms",
        "relayed",
        "repair",
        "reported",
        "routes",
        "seen",
        "signer",
        "size",
        "suspects",
        "timer_token",
        "tree",
        "validators",
        "view",
        "votes",
    )  # fmt: skip

    def __init__(
        self,
        *,
        chain_id: ChainId,
        me: ValidatorId,
        signer: Signer,
        params: ConsensusParams,
        validators: ValidatorSet,
        genesis_block: Block,
        checks: CheckQueue,
        may_vote: bool,
    ) -> None:
        self.me = me
        self.signer = signer
        self.params = params
        self.validators = validators
        self.epoch: Epoch = validators.epoch
        self.size = len(validators)
        self.index = validators.index_by_id.get(me, -1)
        """This node's place in the table; -1 if it has none."""
        self.is_voter = takes_part(validators, me, signer) and may_vote
        """Whether this node votes and proposes in this epoch (R21); not with a key that the table does not name."""
        self.facts = EpochFacts(
            chain_id, validators, genesis_block.header, genesis_block.hash, params.epoch_length
        )
        self.routes = Routes(validators, me, is_linear=params.is_linear(self.size))
        self.pace = Pacemaker(params)
        self.tree = BlockTree(genesis_block)
        self.certificates = CertificateStore()
        self.ballots = Ballots()
        self.repair = Repair()
        self.checks = checks

        self.view = View(0)
        """0 before the epoch is entered."""
        self.final_view = View(0)
        """Of the last final block; 0 for the epoch's genesis block."""
        self.forget_at = View(0)
        """Final view at which to forget what lies below it; doing that for each block would cost more than it saves."""
        self.belated: list[Entry] = []
        """Blocks that turned out valid when their view was over."""
        self.entered_ms = TimestampMs(0)
        self.timer_token = 0
        """Of the running view timer; another one that fires is stale."""
        self.is_rushed = False
        """Whether the view's timer runs without the idle interval (R12)."""
        self.votes: dict[View, ViewVotes] = {}
        self.suspects = 0
        """Bit i: validator i sent a bad signature, so its votes are verified before they count (R14)."""
        self.offers: dict[View, Offer] = {}
        self.offered_view = View(0)
        """Highest view of which a verified proposal was seen."""
        self.seen: dict[View, ProposalSeen] = {}
        """What proposers were verified to have signed, kept as long as votes are (R18)."""
        self.building: View | None = None
        """The view whose payload is being built."""
        self.propose_at_ms: int | None = None
        """When a timer for this view's proposal will fire."""
        self.f_cast = View(0)
        """Highest view of an own F vote; `f_sent`: of one that was sent; `f_timed`: of one that waits for a timer."""
        self.f_sent = View(0)
        self.f_timed = View(0)
        self.finality_timer = False
        self.finality_attempt = 0
        self.relayed: dict[tuple[int, View], bool] = {}
        """Certificates made here of votes, and whether somebody else spread them already (R7)."""
        self.informed_ms: dict[PeerId, TimestampMs] = {}
        """When a peer that lags was last told so (R20)."""
        self.reported: dict[tuple[int, int], dict[View, None]] = {}
        """Views of the faults that were reported, by voter's index and kind (R18)."""
        self.is_working = False
        """Whether there is something to order (R12)."""
        self.is_ended = False
        """Whether the terminal block is final: nothing is signed in this epoch any more (R16)."""
        self.ending: EpochEntry | None = None
        """A verified proof of the epoch's end whose blocks are not all at hand."""
        self.proof: tuple[tuple[BlockHeader, ...], Certificate] | None = None
        """By what the epoch ended: headers of SEALs above the terminal block, and the finalization of the last."""
        self.entry: EpochEntry | None = None
        """The proof by which this node entered the epoch; None where the node began in it."""
        self.previous: BlockTree | None = None
        """Blocks at the end of the epoch before, for those who are still in it."""
        self.next_epoch = NextEpochBuffer()

        self.is_dirty = False
        self.now_ms = TimestampMs(0)
        self.out: list[Effect] = []

    def persist(self, record: Record) -> None:
        """Have a record made durable before anything of this step is sent."""
        self.out.append(Persist(record))

    def store_certificate(self, certificate: Certificate) -> None:
        """Have a certificate made durable, once."""
        key = (certificate.kind, certificate.view)
        if key not in self.certificates.stored:
            self.certificates.stored[key] = None
            self.out.append(Persist(CertificateRecord(certificate=certificate)))

    def store_block(self, entry: Entry) -> None:
        """Have a block made durable, once."""
        if not entry.is_stored:
            entry.is_stored = True
            self.out.append(Persist(BlockRecord(block=entry.block)))

    def send(self, peers: tuple[PeerId, ...], message: Message) -> None:
        """Have a message sent, if there is anyone to send it to."""
        if peers:
            self.out.append(Send(peers, message))

    def start_timer(self, kind: TimerKind, after_ms: int, *, view: View = NO_VIEW, token: int = 0) -> None:
        """Have a timer of this epoch started."""
        self.out.append(StartTimer(Timer(kind, self.epoch, view, token), after_ms))

    def penalize(self, peer: PeerId, reason: type[InvalidMessage]) -> None:
        """Have a peer scored."""
        self.out.append(PenalizePeer(peer, reason.__name__))

    def view_votes(self, view: View) -> ViewVotes:
        """The votes of a view, with this node's own."""
        found = self.votes.get(view)
        if found is None:
            found = self.votes[view] = ViewVotes()
            for vote in self.ballots.latest(view):
                found.first[vote.kind][self.index] = vote
                tally = found.tally(vote.kind, view, vote.block_hash)
                tally.add(self.index, vote, self.validators.powers[self.index])
                tally.verified |= 1 << self.index
        return found

    def is_proposer(self, view: View) -> bool:
        """Whether a view is this node's to propose in."""
        return self.validators.proposer(view) == self.me
