"""Principle 4: another id and key pair with every custodian, all from one seed."""

import pytest

from noded.client.wallet import (
    ROTATIONS_AHEAD_MAX,
    NotThisWallets,
    Relation,
    UnknownCustodian,
    Wallet,
    decode_wallet,
)
from noded.codec.errors import Malformed
from noded.types.ids import InstitutionId

A, B = InstitutionId(b"a" * 16), InstitutionId(b"b" * 16)
SEED = bytes(range(32))


def make_wallet(*custodians: InstitutionId, seed: bytes = SEED) -> Wallet:
    wallet = Wallet(seed=seed, relations=())
    for custodian in custodians:
        wallet, _ = wallet.register(custodian)
    return wallet


def test_registers() -> None:
    wallet, op = Wallet(seed=SEED, relations=()).register(A)

    assert op.patient == wallet.patient_id(A)
    assert op.key == wallet.key(A).public


def test_pairwise() -> None:
    """L20: nothing is the same at two custodians, or of two patients."""
    one, other = make_wallet(A, B), make_wallet(A, B, seed=bytes(32))
    ids = {each.patient_id(custodian) for each in (one, other) for custodian in (A, B)}
    keys = {each.key(custodian).public for each in (one, other) for custodian in (A, B)}

    assert len(ids) == len(keys) == 4
    assert not any(bytes(id) in bytes(key) for id in ids for key in keys)


def test_all_comes_back_from_the_seed() -> None:
    assert make_wallet(A, B).key(B) == make_wallet(B).key(B)
    assert make_wallet(A).patient_id(A) == Wallet(seed=SEED, relations=()).patient_id(A)


def test_rotates() -> None:
    """L21: another key, the same patient; the other custodian notices nothing."""
    old = make_wallet(A, B)
    new, op = old.rotate(A)

    assert op.patient == old.patient_id(A) == new.patient_id(A)
    assert op.key == new.key(A).public != old.key(A).public
    assert new.key(B) == old.key(B)
    assert new.rotate(A)[1].key != op.key


def test_unknown_custodian() -> None:
    with pytest.raises(UnknownCustodian):
        make_wallet(A).key(B)
    with pytest.raises(UnknownCustodian):
        make_wallet(A).rotate(B)


def test_there_and_back() -> None:
    wallet = make_wallet(A, B).rotate(B)[0]

    assert decode_wallet(wallet.encode()) == wallet
    with pytest.raises(Malformed):
        decode_wallet(wallet.encode()[:-1])


def test_a_custodian_stands_once() -> None:
    with pytest.raises(Malformed):
        make_wallet(A, A)
    with pytest.raises(Malformed):
        Wallet(seed=SEED, relations=(Relation(custodian=A, number=0), Relation(custodian=A, number=1)))


def test_seed_is_not_shown() -> None:
    assert repr(SEED) not in repr(make_wallet(A))


class TestInStep:
    """A copy of a wallet finds the key that the ledger names, however often it was replaced."""

    def test_later_keys_are_found(self) -> None:
        old = make_wallet(A, B)
        new, _ = old.rotate(A)
        newest, operation = new.rotate(A)

        assert old.in_step(A, operation.key) == newest
        assert old.in_step(A, old.key(A).public) == old

    def test_a_key_of_another_wallet_or_too_far_ahead_is_none(self) -> None:
        ahead = wallet = make_wallet(A)
        for _ in range(ROTATIONS_AHEAD_MAX + 1):
            ahead, _ = ahead.rotate(A)

        for key in (make_wallet(A, seed=bytes(32)).key(A).public, ahead.key(A).public):
            with pytest.raises(NotThisWallets):
                wallet.in_step(A, key)
        with pytest.raises(UnknownCustodian):
            wallet.in_step(B, wallet.key(A).public)


def test_a_delegate_is_another_key_for_every_patient_and_every_time() -> None:
    """L22: nothing connects the patients for whom somebody acts, nor those keys with the delegate's own."""
    wallet = make_wallet(A)
    patients = [make_wallet(A, seed=bytes(32)).patient_id(A), make_wallet(B, seed=bytes(32)).patient_id(B)]
    keys = [wallet.delegate_key(patient, number).public for patient in patients for number in range(2)]

    assert len({*keys, wallet.key(A).public}) == 5
    assert keys[0] == Wallet(seed=SEED, relations=()).delegate_key(patients[0], 0).public
