"""The certificates of an epoch that still matter: which views are over, and how they ended."""

from noded.types.ids import BlockHash, View
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, VoteKind


class CertificateStore:
    """
    Verified certificates above the last final view, and those of that view itself.

    Not bounded by a number: each took a quorum to make, and all above the last final view may be needed (R11).
    """

    __slots__ = ("finalized", "highest", "notarized", "nullified", "stored", "unsettled")

    def __init__(self) -> None:
        self.notarized: dict[View, Certificate] = {}
        self.nullified: dict[View, Certificate] = {}
        self.finalized: Certificate | None = None
        """Of the highest view."""
        self.highest = View(0)
        """Highest view with a certificate: the node is in the next one (R5)."""
        self.stored: dict[tuple[VoteKind, View], None] = {}
        """Kinds and views of those in the log."""
        self.unsettled: dict[View, Certificate] = {}
        """Notarizations whose blocks are not judged here, or may still get this node's F."""

    @property
    def count(self) -> int:
        """How many are kept, but for the finalization."""
        return len(self.notarized) + len(self.nullified)

    def add(self, certificate: Certificate) -> bool:
        """Keep a verified certificate; False if one of its kind and view was known."""
        view = certificate.view
        if certificate.kind is VoteKind.FINALIZE:
            if self.finalized is not None and self.finalized.view >= view:
                return False
            self.finalized = certificate
        else:
            store = self.notarized if certificate.kind is VoteKind.NOTARIZE else self.nullified
            if view in store:
                return False
            store[view] = certificate
            if store is self.notarized:
                self.unsettled[view] = certificate
        if view > self.highest:
            self.highest = view
        return True

    def has(self, kind: VoteKind, view: View) -> bool:
        """Whether nothing is gained by another certificate of this kind and view."""
        if kind is VoteKind.NOTARIZE:
            return view in self.notarized
        if kind is VoteKind.NULLIFY:
            return view in self.nullified
        return self.finalized is not None and self.finalized.view >= view

    def of_view(self, kind: VoteKind, view: View) -> Certificate | None:
        """The certificate of a kind and view, as far as it is kept."""
        if kind is VoteKind.NOTARIZE:
            return self.notarized.get(view)
        if kind is VoteKind.NULLIFY:
            return self.nullified.get(view)
        return self.finalized if self.finalized is not None and self.finalized.view == view else None

    def of_block(self, view: View, block_hash: BlockHash) -> Certificate | None:
        """A certificate by which this block may be built on: its notarization, else its finalization."""
        for certificate in (self.notarized.get(view), self.finalized):
            if certificate is not None and certificate.view == view and certificate.block_hash == block_hash:
                return certificate
        return None

    def ending(self, view: View) -> Certificate | None:
        """What ended a view: its notarization, else its nullification, else a finalization from it on."""
        found = self.notarized.get(view) or self.nullified.get(view)
        if found is None and self.finalized is not None and self.finalized.view >= view:
            return self.finalized
        return found

    def lacking(self, above: View, below: View) -> View | None:
        """The highest view strictly between the two that is not known to be nullified."""
        nullified = self.nullified
        for view in range(below - 1, above, -1):
            if view not in nullified:
                return View(view)
        return None

    def best(self) -> tuple[Certificate, ...]:
        """What brings a peer to this node's view and lets it build: at most three (R10)."""
        highest = self.ending(self.highest) if self.highest else None
        notarized = self.notarized[max(self.notarized)] if self.notarized else None
        found: list[Certificate] = []
        for certificate in (self.finalized, notarized, highest):
            if certificate is not None and certificate not in found:
                found.append(certificate)
        return tuple(found)

    def prune(self, final_view: View) -> None:
        """Forget what lies below the last final view."""
        for view in [view for view in self.unsettled if view <= final_view]:
            del self.unsettled[view]
        for store in (self.notarized, self.nullified):
            for view in [view for view in store if view < final_view]:
                del store[view]
        for key in [key for key in self.stored if key[1] < final_view]:
            del self.stored[key]


def is_well_formed(certificate: Certificate, validators: ValidatorSet) -> bool:
    """Whether a certificate states a quorum of these validators; all but its signatures (R14)."""
    bitmap = certificate.bitmap
    return (
        certificate.epoch == validators.epoch
        and certificate.view > 0
        and (certificate.block_hash is None) == (certificate.kind is VoteKind.NULLIFY)
        and validators.is_bitmap_valid(bitmap)
        and int.from_bytes(bitmap, "little").bit_count() == len(certificate.signatures)
        and validators.bitmap_power(bitmap) >= validators.quorum
    )
