"""R5, R11, R14: the certificates that still matter."""

from noded.consensus.certificates import CertificateStore, is_well_formed
from noded.types.block import Block
from noded.types.ids import View
from noded.types.vote import Certificate, VoteKind
from tests.helpers.consensus_values import equal_set, make_block, make_certificate, make_genesis

N, X, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
SET = equal_set(4)
BLOCK: Block = make_block(SET, view=1, parent=make_genesis(SET))


def certificate(kind: VoteKind, view: int) -> Certificate:
    return make_certificate(SET, kind, view=view, block=None if kind is X else BLOCK)


def store_of(*certificates: Certificate) -> CertificateStore:
    store = CertificateStore()
    for each in certificates:
        store.add(each)
    return store


def test_each_kind_and_view_is_kept_once() -> None:
    store = CertificateStore()

    assert store.add(certificate(N, 3))
    assert not store.add(certificate(N, 3))
    assert store.add(certificate(X, 3))
    assert store.has(N, View(3))
    assert not store.has(N, View(4))
    assert store.highest == 3


def test_only_the_highest_finalization_counts() -> None:
    store = store_of(certificate(F, 5))

    assert not store.add(certificate(F, 4))
    assert store.has(F, View(4))
    assert not store.has(F, View(6))
    assert store.add(certificate(F, 6))
    assert store.finalized == certificate(F, 6)


def test_what_ended_a_view() -> None:
    store = store_of(certificate(X, 1), certificate(N, 1), certificate(X, 2), certificate(F, 4))

    assert [
        None if (found := store.ending(View(view))) is None else (found.kind, found.view)
        for view in (1, 2, 3, 4, 5)
    ] == [(N, 1), (X, 2), (F, 4), (F, 4), None]


def test_the_highest_view_that_lacks_a_nullification() -> None:
    """R2."""
    store = store_of(*(certificate(X, view) for view in (2, 3, 5)))

    assert store.lacking(View(4), View(6)) is None
    assert store.lacking(View(1), View(4)) is None
    assert store.lacking(View(0), View(6)) == 4
    assert store.lacking(View(0), View(4)) == 1
    assert store.lacking(View(5), View(6)) is None


def test_the_best_ones_are_no_more_than_three() -> None:
    """R10."""
    store = store_of(
        certificate(F, 1), certificate(N, 2), certificate(X, 2), certificate(X, 3), certificate(X, 4)
    )

    assert [(each.kind, each.view) for each in store.best()] == [(F, 1), (N, 2), (X, 4)]
    assert store_of().best() == ()
    assert len(store_of(certificate(N, 7)).best()) == 1


def test_a_block_s_certificate_is_its_notarization_or_its_finalization() -> None:
    store = store_of(certificate(N, 1), certificate(F, 1))
    assert store.of_block(View(1), BLOCK.hash) == certificate(N, 1)
    assert store_of(certificate(F, 1)).of_block(View(1), BLOCK.hash) == certificate(F, 1)
    assert store.of_block(View(1), BLOCK.header.parent_hash) is None
    assert store.of_block(View(2), BLOCK.hash) is None


def test_what_lies_below_the_last_final_view_is_forgotten() -> None:
    store = store_of(*(certificate(kind, view) for kind in (N, X) for view in (1, 2, 3)))
    store.stored[N, View(1)] = store.stored[N, View(3)] = None

    store.prune(View(2))

    assert sorted(store.notarized) == [2, 3]
    assert sorted(store.nullified) == [2, 3]
    assert list(store.stored) == [(N, 3)]


def test_form() -> None:
    """R14: all but the signatures."""
    good = certificate(N, 1)
    assert is_well_formed(good, SET)
    assert not is_well_formed(good, equal_set(4, 2))
    assert not is_well_formed(good, equal_set(5))
    assert not is_well_formed(make_certificate(SET, N, view=0, block=BLOCK), SET)
    assert not is_well_formed(make_certificate(SET, N, view=1), SET)
    assert not is_well_formed(make_certificate(SET, X, view=1, block=BLOCK), SET)
    assert not is_well_formed(make_certificate(SET, X, view=1, voters=(0, 1)), SET)
