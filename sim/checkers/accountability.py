"""Accountability: a violation of agreement names at least a third of the power, and no correct node."""

from collections.abc import Callable, Iterable

from noded.consensus.effects import CertificateCheck
from noded.types.checks import SignatureCheck
from noded.types.ids import Epoch, View, bitmap_indices
from noded.types.messages import Votes
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, Vote, VoteKind
from sim.checkers.base import Checker, Context, Violation
from sim.checkers.certificates import certificates_in
from sim.host import Host
from sim.network import Indices, Parcel

VIEWS_KEPT = 4_096
"""Views whose statements are remembered; a fork shows within a few."""

_Statements = dict[int, dict[VoteKind, list[bytes | None]]]
"""By validator: what it chose, by kind."""


class Accountability(Checker):
    """Collects all signed votes that travel, alone or in certificates, and finds those who contradict themselves."""

    claim = (
        "If correct nodes disagree, the votes in circulation convict holders of at least a third of the power; they"
        " never convict a correct node."
    )

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._views: dict[tuple[Epoch, View], _Statements] = {}
        self._seen: dict[int, object] = {}
        self.disagreement = False
        """Whether agreement is violated; to be set by whoever finds it."""

    def sent(self, host: Host, targets: Indices, parcel: Parcel) -> None:
        """Take down the signed votes in a message."""
        message = parcel.message
        if message is None:
            return
        if isinstance(message, Votes):
            for vote in message.votes:
                if (
                    vote.voter == host.name
                    and not self._is_known(host.index, vote)
                    and self._is_genuine(vote)
                ):
                    self._add(vote.epoch, vote.view, (host.index,), vote.kind, vote.block_hash)
        for certificate in certificates_in(message):
            if id(certificate) in self._seen:
                continue
            if len(self._seen) >= VIEWS_KEPT:
                self._seen.clear()
            self._seen[id(certificate)] = certificate
            validators = self.context.tables.by_epoch.get(certificate.epoch)
            if validators is not None and self._is_valid(certificate, validators):
                names = validators.ids()
                signers = [
                    self.context.world.index_of[names[bit]] for bit in bitmap_indices(certificate.bitmap)
                ]
                self._add(
                    certificate.epoch, certificate.view, signers, certificate.kind, certificate.block_hash
                )

    def culprits(self) -> list[int]:
        """Who contradicted themselves."""
        return sorted({index for culprits in self._culprits().values() for index in culprits})

    def _culprits(self) -> dict[Epoch, dict[int, None]]:
        """Who contradicted themselves, by epoch."""
        found: dict[Epoch, dict[int, None]] = {}
        for (epoch, _), statements in self._views.items():
            for index, by_kind in statements.items():
                votes_both = VoteKind.NULLIFY in by_kind and VoteKind.FINALIZE in by_kind
                if votes_both or any(len(choices) > 1 for choices in by_kind.values()):
                    found.setdefault(epoch, {})[index] = None
        return found

    def finish(self) -> None:
        """Look at who is convicted, and whether that is enough."""
        culprits = self.culprits()
        hosts = self.context.hosts
        framed = [index for index in culprits if hosts[index].is_correct]
        if framed:
            self.fail("the votes in circulation convict correct nodes", framed)
        if not self.disagreement:
            return
        if not any(self._is_third(epoch, convicted) for epoch, convicted in self._culprits().items()):
            self.fail("nodes disagree, but in no epoch a third of its power is convicted", culprits)

    def _is_third(self, epoch: Epoch, convicted: Iterable[int]) -> bool:
        """Whether these hold a third of the power of the epoch in which they contradicted themselves."""
        validators = self.context.tables.by_epoch.get(epoch)
        names = self.context.world.names
        if validators is None:
            return False
        return 3 * sum(validators.power(names[index]) for index in convicted) >= validators.total

    def _is_known(self, index: int, vote: Vote) -> bool:
        """Whether this very choice was taken down before: votes are sent again and again."""
        statements = self._views.get((vote.epoch, vote.view))
        choices = None if statements is None else statements.get(index, {}).get(vote.kind)
        return choices is not None and vote.block_hash in choices

    def _is_genuine(self, vote: Vote) -> bool:
        """Whether the voter signed it: whoever sends garbage convicts nobody."""
        validators = self.context.tables.by_epoch.get(vote.epoch)
        if validators is None or vote.voter not in validators:
            return False
        message = vote.signing_bytes(self.context.chain_id)
        check = SignatureCheck(validators.public_key(vote.voter), message, vote.signature)
        return self.context.world.judge.judge(check)

    def _is_valid(self, certificate: Certificate, validators: ValidatorSet) -> bool:
        if not validators.is_bitmap_valid(certificate.bitmap):
            return False
        if len(bitmap_indices(certificate.bitmap)) != len(certificate.signatures):
            return False
        check = CertificateCheck(self.context.chain_id, certificate, validators)
        return self.context.world.judge.judge(check)

    def _add(
        self, epoch: Epoch, view: View, signers: Iterable[int], kind: VoteKind, choice: bytes | None
    ) -> None:
        statements = self._views.get((epoch, view))
        if statements is None:
            if len(self._views) >= VIEWS_KEPT:
                del self._views[next(iter(self._views))]
            statements = self._views[epoch, view] = {}
        for index in signers:
            choices = statements.setdefault(index, {}).setdefault(kind, [])
            if choice not in choices:
                choices.append(choice)
