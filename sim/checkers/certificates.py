"""Certificates: each has the power of a quorum and good signatures, and no two of one view contradict each other."""

from collections.abc import Callable, Iterable

from noded.consensus.effects import CertificateCheck
from noded.types.ids import Epoch, View, bitmap_indices
from noded.types.messages import BlockRange, EpochEntry, Message, Proposal, Votes
from noded.types.messages import Certificates as CertificatesMessage
from noded.types.vote import Certificate, VoteKind
from sim.checkers.base import Checker, Context, Violation
from sim.host import Host
from sim.network import Indices, Parcel

SEEN_MAX = 65_536
"""Certificates known to be good."""


class Certificates(Checker):
    """One notarization a view, and never a finalization beside a nullification."""

    claim = (
        "Certificates that correct nodes send have a quorum's power and good signatures; no view has two"
        " notarizations of different blocks, nor a finalization and a nullification."
    )

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        super().__init__(context, report)
        self._seen: dict[int, Certificate] = {}
        self._chosen: dict[tuple[Epoch, View, VoteKind], Certificate] = {}

    def sent(self, host: Host, targets: Indices, parcel: Parcel) -> None:
        """Look at the certificates in what a correct node sends."""
        if not host.is_correct or parcel.message is None:
            return
        for certificate in certificates_in(parcel.message):
            if id(certificate) not in self._seen:
                if len(self._seen) >= SEEN_MAX:
                    self._seen.clear()
                self._seen[id(certificate)] = certificate
                self._check(host, certificate)

    def _check(self, host: Host, certificate: Certificate) -> None:
        where = f"{certificate.kind.name} of view {certificate.view} of epoch {certificate.epoch}"
        validators = self.context.tables.by_epoch.get(certificate.epoch)
        if validators is None:
            return
        power = sum(validators.powers[index] for index in bitmap_indices(certificate.bitmap))
        if 3 * power <= 2 * validators.total:
            self.fail(f"{where}: power {power} of {validators.total}", (host.index,))
        check = CertificateCheck(self.context.chain_id, certificate, validators)
        if not self.context.world.judge.judge(check):
            self.fail(f"{where}: a signature is wrong", (host.index,))
        for other in self._rivals(certificate):
            both = set(bitmap_indices(other.bitmap)) & set(bitmap_indices(certificate.bitmap))
            self.fail(f"{where} beside {other.kind.name} of another choice", sorted(both))
        self._chosen[certificate.epoch, certificate.view, certificate.kind] = certificate

    def _rivals(self, certificate: Certificate) -> Iterable[Certificate]:
        """Certificates seen that cannot be true beside this one."""
        for kind in VoteKind:
            other = self._chosen.get((certificate.epoch, certificate.view, kind))
            if other is None:
                continue
            if {kind, certificate.kind} == {VoteKind.FINALIZE, VoteKind.NULLIFY} or (
                VoteKind.NULLIFY not in (kind, certificate.kind)
                and other.block_hash != certificate.block_hash
            ):
                yield other


def certificates_in(message: Message) -> Iterable[Certificate]:
    """All certificates that a message carries."""
    match message:
        case Proposal():
            if message.parent is not None:
                yield message.parent
            yield from message.nullifications
            if message.finalization is not None:
                yield message.finalization
        case Votes() | CertificatesMessage():
            yield from message.certificates
        case EpochEntry():
            yield message.finalization
        case BlockRange() if message.finalization is not None:
            yield message.finalization
        case _:
            return
