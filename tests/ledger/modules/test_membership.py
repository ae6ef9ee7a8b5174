"""L100, L102–L104, L109: members and their keys."""

from dataclasses import replace
from typing import Any

import pytest

from noded.ledger.keys import get_key
from noded.ledger.members import Member, MemberStatus, get_member
from noded.types.genesis import EncryptionKey, Endpoint
from noded.types.ids import Epoch, Height, InstitutionId, PublicKey
from noded.types.operations.membership import (
    KeyUse,
    OrgKeyRotate,
    OrgRegister,
    OrgSuspend,
    OrgUpdate,
    ValidatorReady,
)
from noded.types.roles import Role
from tests.helpers.ledger import TestChain, account, key_of, make_genesis, make_institution, member_id

APPLICANT = make_institution(9)
APPLICANT_KEYS = [APPLICANT.account_key, APPLICANT.consensus_key]


def get(chain: TestChain, number: int) -> Member:
    member = get_member(chain.state, member_id(number))
    assert member is not None
    return member


class TestRegister:
    """L100: any member may put an applicant forward; the applicant cosigns, and ids and keys are its own."""

    def test_applicant_waits_for_a_vote(self) -> None:
        chain = TestChain()
        committed = chain.run(chain.transaction(OrgRegister(institution=APPLICANT), cosigners=APPLICANT_KEYS))

        assert committed.receipts[0].error is None
        assert committed.members_changed
        assert get(chain, 9) == Member(institution=APPLICANT, status=MemberStatus.APPLICANT, since=Height(1))
        update = OrgUpdate(legal_name="x", endpoints=())
        assert chain.send(update, sender=APPLICANT.account_key).error == "SenderInactive"

    @pytest.mark.parametrize("missing", APPLICANT_KEYS)
    def test_applicant_must_cosign(self, missing: PublicKey) -> None:
        cosigners = [key for key in APPLICANT_KEYS if key != missing]

        receipt = TestChain().send(OrgRegister(institution=APPLICANT), cosigners=cosigners)

        assert (receipt.error, receipt.detail) == (
            "CosignatureMissing",
            f"key {missing.hex()} did not cosign",
        )

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"id": member_id(2)}, "InstitutionExists"),
            ({"account_key": account(2)}, "MemberKeyTaken"),
            ({"network_key": key_of(2, "consensus")}, "MemberKeyTaken"),
            ({"encryption_key": key_of(2, "encryption")}, "MemberKeyTaken"),
            ({"network_key": APPLICANT.account_key}, "MemberKeyTaken"),
        ],
    )
    def test_ids_and_keys_are_not_shared(self, changes: dict[str, Any], error: str) -> None:
        applicant = replace(APPLICANT, **changes)
        cosigners = list(dict.fromkeys((applicant.account_key, applicant.consensus_key)))

        assert TestChain().send(OrgRegister(institution=applicant), cosigners=cosigners).error == error

    def test_second_registration_is_refused(self) -> None:
        chain = TestChain()
        operation = OrgRegister(institution=APPLICANT)
        assert chain.send(operation, cosigners=APPLICANT_KEYS).error is None

        assert chain.send(operation, cosigners=APPLICANT_KEYS).error == "InstitutionExists"


class TestUpdate:
    """L102: a member changes its own name and endpoints."""

    def test_changes_are_the_senders(self) -> None:
        chain = TestChain()
        endpoints = (Endpoint("[::1]:4000"),)

        assert chain.send(OrgUpdate(legal_name="New", endpoints=endpoints), sender=account(2)).error is None

        assert get(chain, 2).institution == replace(
            make_institution(2), legal_name="New", endpoints=endpoints
        )
        assert get(chain, 1).institution == make_institution(1)


class TestSuspend:
    """L103: a regulator suspends any member, and a member itself."""

    def make_chain(self) -> TestChain:
        roles = (Role.HOSPITAL, Role.LAB, Role.REGULATOR, Role.AUDITOR)
        return TestChain(
            make_genesis(
                institutions=[make_institution(number, role=role) for number, role in enumerate(roles, 1)]
            )
        )

    @pytest.mark.parametrize(
        ("sender", "target", "error"),
        [
            (3, 1, None),
            (2, 2, None),
            (1, 2, "NotEntitled"),
            (4, 1, "NotEntitled"),
            (3, 7, "UnknownInstitution"),
        ],
    )
    def test_who_may(self, sender: int, target: int, error: str | None) -> None:
        chain = self.make_chain()
        operation = OrgSuspend(institution=member_id(target), reason="leak")

        assert chain.send(operation, sender=account(sender)).error == error

    def test_suspended_member_votes_on(self) -> None:
        chain = self.make_chain()
        chain.send(OrgSuspend(institution=member_id(1), reason="leak"), sender=account(3))
        assert get(chain, 1).status is MemberStatus.SUSPENDED

        assert member_id(1) in chain.ledger.validators_after(chain.tip)

    def test_no_regulator_leaves_too_few_to_vote(self) -> None:
        """Who is suspended votes on nothing, so of fewer than a quorum nobody would ever be reinstated."""
        chain = self.make_chain()
        first, second, own = (
            OrgSuspend(institution=member_id(number), reason="leak") for number in (1, 2, 4)
        )
        assert chain.send(first, sender=account(3)).error is None

        assert chain.send(second, sender=account(3)).error == "TooFewLeft"
        assert chain.send(own, sender=account(4)).error is None

    def test_suspending_twice_is_refused(self) -> None:
        chain = self.make_chain()
        operation = OrgSuspend(institution=member_id(1), reason="leak")
        chain.send(operation, sender=account(3))

        assert chain.send(operation, sender=account(3)).error == "WrongStatus"


class TestRotate:
    """L104: a member replaces its keys; no key ever comes back."""

    @pytest.mark.parametrize("use", [KeyUse.CONSENSUS, KeyUse.NETWORK, KeyUse.ACCOUNT])
    def test_new_signing_key_cosigns(self, use: KeyUse) -> None:
        key = key_of(1, "new")

        assert TestChain().send(OrgKeyRotate(use=use, key=key)).error == "CosignatureMissing"
        assert TestChain().send(OrgKeyRotate(use=use, key=key), cosigners=[key]).error is None

    def test_encryption_key_cannot_sign(self) -> None:
        chain = TestChain()
        key = key_of(1, "new")

        assert chain.send(OrgKeyRotate(use=KeyUse.ENCRYPTION, key=key)).error is None
        assert get(chain, 1).institution.encryption_key == EncryptionKey(key)

    def test_consensus_key_counts_from_the_next_epoch(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        key = key_of(1, "new")
        chain.send(OrgKeyRotate(use=KeyUse.CONSENSUS, key=key), cosigners=[key])
        assert chain.validators.public_key(member_id(1)) == key_of(1, "consensus")

        chain.finish_epoch()

        assert chain.validators.public_key(member_id(1)) == key

    def test_account_key_ends_at_once(self) -> None:
        chain = TestChain()
        key = key_of(1, "new")
        chain.send(OrgKeyRotate(use=KeyUse.ACCOUNT, key=key), cosigners=[key])
        old, new = get_key(chain.state, account(1)), get_key(chain.state, key)

        assert old is not None
        assert new is not None
        assert (old.until, new.until, new.owner) == (1, None, member_id(1))

    @pytest.mark.parametrize(
        "key", [key_of(2, "network"), key_of(1, "network"), account(1), key_of(3, "encryption")]
    )
    def test_members_keys_are_taken_for_ever(self, key: PublicKey) -> None:
        operation = OrgKeyRotate(use=KeyUse.NETWORK, key=key)

        assert TestChain().send(operation, cosigners=[key]).error == "MemberKeyTaken"


class TestReady:
    """L109: readiness is shown with the consensus key, in the present epoch."""

    @pytest.mark.parametrize(
        ("epoch", "key", "cosigners", "error"),
        [
            (1, key_of(1, "consensus"), [key_of(1, "consensus")], None),
            (2, key_of(1, "consensus"), [key_of(1, "consensus")], "WrongEpoch"),
            (1, key_of(2, "consensus"), [key_of(2, "consensus")], "WrongConsensusKey"),
            (1, key_of(1, "consensus"), [], "CosignatureMissing"),
        ],
    )
    def test_conditions(
        self, epoch: int, key: PublicKey, cosigners: list[PublicKey], error: str | None
    ) -> None:
        operation = ValidatorReady(epoch=Epoch(epoch), key=key)

        assert TestChain().send(operation, cosigners=cosigners).error == error


def test_unknown_member_is_none() -> None:
    assert get_member(TestChain().state, InstitutionId(bytes(16))) is None
