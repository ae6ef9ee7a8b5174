"""O8: an applicant signs what names its own particulars and proposes to admit it, and nothing else."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from noded.client.transactions import TransactionBuilder, key_pair
from noded.crypto.signing import verify
from noded.keys.keystore import Keystore, open_keystore
from noded.ops.admitting import BadInvitation, Invitation, accept, read_invitation, write_invitation
from noded.ops.founding import make_genesis
from noded.ops.home import KEYS_NAME, Particulars, create_home
from noded.types.genesis import Institution
from noded.types.ids import ChainId, Height, TimestampMs
from noded.types.operations.membership import Admit, GovPropose, OrgRegister, Remove
from noded.types.operations.registry import Operation
from noded.types.roles import Role
from noded.types.transaction import transaction_signing_bytes
from tests.helpers.command import Captured, complaint, told

SPONSOR = key_pair(bytes(32))


@dataclass
class Applicant:
    home: Path
    institution: Institution
    keystore: Keystore
    invitation: Invitation

    def invites(self, *operations: Operation) -> Invitation:
        """An invitation that has these operations instead."""
        return replace(self.invitation, body=replace(self.invitation.body, operations=operations))


def make_home(home: Path, name: str) -> Institution:
    particulars = Particulars(legal_name=name, role=Role.HOSPITAL, jurisdiction="DE")
    return create_home(home, particulars, passphrase=None, settings={"node": {"passphrase": "none"}})


@pytest.fixture
def applicant(tmp_path: Path) -> Applicant:
    founders = [make_home(tmp_path / f"founder{number}", f"Founder {number}") for number in range(4)]
    genesis = make_genesis("test", founders, time_ms=TimestampMs(1_700_000_000_000))
    own = make_home(tmp_path / "applicant", "Applicant")
    builder = TransactionBuilder(
        chain_id=genesis.chain_id, key=SPONSOR, next_sequence=lambda: 300, valid_until=lambda: Height(1000)
    )
    body = builder.body(
        OrgRegister(institution=own), GovPropose(proposal=bytes(16), action=Admit(institution=own.id))
    )
    invitation = Invitation(genesis=genesis, body=body, cosignatures=())
    keystore = open_keystore(tmp_path / "applicant" / KEYS_NAME, None)
    return Applicant(tmp_path / "applicant", own, keystore, invitation)


class TestAccept:
    def test_both_keys_sign_the_body(self, applicant: Applicant, tmp_path: Path) -> None:
        own = applicant.institution
        path = tmp_path / "file"
        write_invitation(path, applicant.invitation)

        accepted = accept(read_invitation(path), own, applicant.keystore, path)

        assert [each.signer for each in accepted.cosignatures] == [own.account_key, own.consensus_key]
        message = transaction_signing_bytes(applicant.invitation.body)
        assert all(verify(each.signer, message, each.signature) for each in accepted.cosignatures)
        write_invitation(path, accepted)
        assert read_invitation(path) == accepted

    def test_another_applicants_is_not_signed(self, applicant: Applicant, tmp_path: Path) -> None:
        other = make_home(tmp_path / "other", "Other")

        with pytest.raises(BadInvitation, match="it is for 'Applicant'"):
            accept(applicant.invitation, other, applicant.keystore, tmp_path)

    def test_changed_particulars_are_not_signed(self, applicant: Applicant, tmp_path: Path) -> None:
        own = replace(applicant.institution, role=Role.REGULATOR)

        with pytest.raises(BadInvitation, match="its particulars are not those"):
            accept(applicant.invitation, own, applicant.keystore, tmp_path)

    def test_keys_of_another_home_do_not_sign(self, applicant: Applicant, tmp_path: Path) -> None:
        make_home(tmp_path / "other", "Other")
        keystore = open_keystore(tmp_path / "other" / KEYS_NAME, None)

        with pytest.raises(BadInvitation, match="its keys are not in this home's keystore"):
            accept(applicant.invitation, applicant.institution, keystore, tmp_path)


class TestRead:
    def refused(self, invitation: Invitation, path: Path) -> str:
        write_invitation(path, invitation)
        with pytest.raises(BadInvitation) as caught:
            read_invitation(path)
        return caught.value.why

    def test_what_proposes_something_else_is_refused(self, applicant: Applicant, tmp_path: Path) -> None:
        registration, _ = applicant.invitation.body.operations
        founder = applicant.invitation.genesis.institutions[0].id
        for action in (Remove(institution=founder), Admit(institution=founder)):
            invitation = applicant.invites(registration, GovPropose(proposal=bytes(16), action=action))

            assert "something else than to admit" in self.refused(invitation, tmp_path / "file")

    def test_further_operations_are_refused(self, applicant: Applicant, tmp_path: Path) -> None:
        operations = applicant.invitation.body.operations

        assert "damaged" in self.refused(applicant.invites(*operations, operations[1]), tmp_path / "file")
        assert "damaged" in self.refused(applicant.invites(operations[1]), tmp_path / "file")

    def test_a_transaction_for_another_chain_is_refused(self, applicant: Applicant, tmp_path: Path) -> None:
        body = replace(applicant.invitation.body, chain_id=ChainId(bytes(32)))

        assert "another chain" in self.refused(replace(applicant.invitation, body=body), tmp_path / "file")

    def test_other_files_are_refused(self, applicant: Applicant, tmp_path: Path) -> None:
        path = tmp_path / "file"
        write_invitation(path, applicant.invitation)
        whole = path.read_bytes()
        for data in (b"", b"{}", whole[:-1], whole + b"x"):
            path.write_bytes(data)
            with pytest.raises(BadInvitation):
                read_invitation(path)
        with pytest.raises(BadInvitation):
            read_invitation(tmp_path / "none")


class TestJoin:
    def test_the_home_is_set_up(self, applicant: Applicant, tmp_path: Path, capsys: Captured) -> None:
        invitation, out = tmp_path / "invitation", tmp_path / "accepted"
        write_invitation(invitation, applicant.invitation)

        joined = told(capsys, "join", invitation, "--out", out, "--home", applicant.home)

        assert joined["chain_id"] == applicant.invitation.genesis.chain_id.hex()
        assert len(read_invitation(out).cosignatures) == 2
        shown = told(capsys, "config", "show", "--home", applicant.home)
        assert applicant.institution.id.hex() in str(shown)
        found = told(capsys, "genesis", "hash", applicant.home / "genesis.cbor")
        assert joined["chain_id"] in found.values()

    def test_a_home_of_another_chain_stays_there(
        self, applicant: Applicant, tmp_path: Path, capsys: Captured
    ) -> None:
        invitation, out = tmp_path / "invitation", tmp_path / "accepted"
        write_invitation(invitation, applicant.invitation)
        told(capsys, "join", invitation, "--out", out, "--home", applicant.home)
        other = replace(applicant.invitation.genesis, name="other")
        body = replace(applicant.invitation.body, chain_id=other.chain_id)
        write_invitation(invitation, Invitation(genesis=other, body=body, cosignatures=()))

        again = ("join", invitation, "--out", tmp_path / "again", "--home", applicant.home)
        assert "of another chain" in complaint(capsys, *again, code=5)
        assert not (tmp_path / "again").exists()

    def test_registering_needs_the_applicants_signatures(
        self, applicant: Applicant, tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "invitation"
        write_invitation(path, applicant.invitation)

        assert "has not signed" in complaint(
            capsys, "member", "register", path, "--home", applicant.home, code=1
        )
