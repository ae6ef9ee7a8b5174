"""
How an institution joins (O8): a member's invitation, which the applicant countersigns and the member hands in.

The registration is one transaction of the member's that the applicant's keys cosign (L100). Nobody gives a key away:
the invitation is the unsigned transaction with the founding document, it goes to the applicant, and comes back with
the applicant's signatures.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from noded.client.transactions import TransactionBuilder, key_pair
from noded.codec.errors import Malformed
from noded.codec.schema import Limit, decode_value, encode_value
from noded.errors import ConfigError
from noded.keys.keystore import Keystore
from noded.keys.names import ACCOUNT, CONSENSUS
from noded.ledger.genesis import check_genesis
from noded.ops.desk import Desk
from noded.types.genesis import GENESIS_BYTES_MAX, Genesis, Institution
from noded.types.ids import Height
from noded.types.operations.membership import Admit, GovPropose, OrgRegister
from noded.types.transaction import COSIGNERS_MAX, Cosignature, TransactionBody

INVITATION_BYTES_MAX: Final = GENESIS_BYTES_MAX + 64 * 1024
"""The founding document, one transaction, two signatures."""

RESERVED_MIN: Final = 256
"""The invitation's sequence is so far ahead that the member can go on sending meanwhile, up to L4's window of 1024."""

_MAGIC: Final = b"noded invitation\n"


class BadInvitation(ConfigError):
    """A file is no invitation, or not one for this home; the message says what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A registration that waits for signatures, and the chain that it is for."""

    genesis: Genesis
    body: TransactionBody
    """A member's transaction: registers the applicant, and puts its admission to the vote."""
    cosignatures: Annotated[tuple[Cosignature, ...], Limit(0, COSIGNERS_MAX)]
    """The applicant's; none before it accepted."""

    @property
    def applicant(self) -> Institution:
        """Whom it registers."""
        registration, _ = _operations(self.body)
        return registration.institution

    @property
    def proposal(self) -> bytes:
        """Id of the proposal to admit it."""
        _, proposal = _operations(self.body)
        return proposal.proposal


def invite(desk: Desk, applicant: Institution, genesis: Genesis) -> Invitation:
    """Draw up the transaction by which this member registers an applicant and puts its admission to the vote."""
    account = desk.node.get(f"/v1/accounts/{desk.account.public.hex()}")
    longest = desk.node.get("/v1/parameters")["value"]["valid_until_max"]
    sequence = account["value"]["next_sequence"] + RESERVED_MIN + desk.random_bytes(1)[0]
    builder = TransactionBuilder(
        chain_id=desk.chain_id,
        key=desk.account,
        next_sequence=lambda: sequence,
        valid_until=lambda: Height(account["height"] + longest),
    )
    admission = GovPropose(proposal=desk.new_id(), action=Admit(institution=applicant.id))
    body = builder.body(OrgRegister(institution=applicant), admission)
    return Invitation(genesis=genesis, body=body, cosignatures=())


def accept(invitation: Invitation, own: Institution, keystore: Keystore, path: Path) -> Invitation:
    """
    Countersign an invitation with the applicant's keys.

    Args:
        invitation: From a member.
        own: The particulars in the applicant's home.
        keystore: Of that home.
        path: Where the invitation comes from, for errors.

    Raises:
        BadInvitation: It is for somebody else, or changes the particulars.
    """
    if invitation.applicant.id != own.id:
        raise BadInvitation(
            path,
            f"it is for {invitation.applicant.legal_name!r}; give the one for this home's institution.json",
        )
    if invitation.applicant != own:
        raise BadInvitation(
            path,
            "its particulars are not those of this home's institution.json; ask for a new invitation with that file",
        )
    keys = [key_pair(keystore.secret(name)) for name in (ACCOUNT, CONSENSUS)]
    if [key.public for key in keys] != [own.account_key, own.consensus_key]:
        raise BadInvitation(
            path, "its keys are not in this home's keystore; use the home that `noded init` made for it"
        )
    signed = tuple(Cosignature(signer=key.public, signature=key.sign(invitation.body)) for key in keys)
    return replace(invitation, cosignatures=signed)


def write_invitation(path: Path, invitation: Invitation) -> None:
    """Keep an invitation in a file; there is nothing secret in it."""
    path.write_bytes(_MAGIC + encode_value(invitation))


def read_invitation(path: Path) -> Invitation:
    """
    The invitation in a file.

    Raises:
        BadInvitation: It has none.
        InvalidGenesis: Its founding document contradicts itself.
    """
    try:
        with path.open("rb") as file:
            data = file.read(INVITATION_BYTES_MAX + 1)
    except OSError as error:
        raise BadInvitation(path, str(error.strerror)) from error
    if not data.startswith(_MAGIC):
        raise BadInvitation(path, "this is no invitation; `noded member invite` writes one")
    try:
        invitation = decode_value(Invitation, data[len(_MAGIC) :], max_bytes=INVITATION_BYTES_MAX)
        registration, proposal = _operations(invitation.body)
    except (Malformed, ValueError) as error:
        raise BadInvitation(path, f"it is damaged ({error}); ask for it again") from error
    if invitation.body.chain_id != invitation.genesis.chain_id:
        raise BadInvitation(path, "its transaction is for another chain than its founding document's")
    if proposal.action != Admit(institution=registration.institution.id):
        raise BadInvitation(path, "it proposes something else than to admit the applicant; do not sign it")
    check_genesis(invitation.genesis)
    return invitation


def _operations(body: TransactionBody) -> tuple[OrgRegister, GovPropose]:
    match body.operations:
        case (OrgRegister() as registration, GovPropose() as proposal):
            return registration, proposal
        case _:
            raise ValueError("its operations are not a registration and a proposal")
