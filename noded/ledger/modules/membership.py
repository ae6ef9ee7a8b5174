"""Members and their keys (L100–L104, L109)."""

from dataclasses import replace

from noded.ledger.context import Context
from noded.ledger.dispatch import Handlers
from noded.ledger.errors import KeyTaken
from noded.ledger.events import Event
from noded.ledger.keys import add_key, end_key, get_key
from noded.ledger.members import Member, MemberStatus, get_member, member_key
from noded.ledger.modules.membership_errors import (
    CosignatureMissing,
    InstitutionExists,
    MemberKeyTaken,
    NotEntitled,
    TooFewLeft,
    UnknownInstitution,
    WrongConsensusKey,
    WrongEpoch,
    WrongStatus,
)
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.genesis import EncryptionKey, Institution
from noded.types.ids import Epoch, InstitutionId, PublicKey
from noded.types.operations.membership import (
    KeyUse,
    OrgKeyRotate,
    OrgRegister,
    OrgSuspend,
    OrgUpdate,
    ValidatorReady,
)
from noded.types.roles import KeyKind, Role


@frozen(kw_only=True)
class MemberKey:
    """Whose a member's key is, for ever, and what for."""

    institution: InstitutionId
    use: KeyUse


@frozen(kw_only=True)
class Ready:
    """When a member last showed that its node runs."""

    epoch: Epoch
    key: PublicKey


def member_key_key(key: bytes) -> bytes:
    """Where it is kept whose a member's key is."""
    return b"mkey/" + key


def ready_key(institution: InstitutionId) -> bytes:
    """Where a member's last sign of readiness is kept."""
    return b"rdy/" + institution


def existing_member(state: Overlay, institution: InstitutionId) -> Member:
    """An institution on the ledger; raises `UnknownInstitution` if there is none."""
    member = get_member(state, institution)
    if member is None:
        raise UnknownInstitution(institution=institution)
    return member


def claim_keys(state: Overlay, institution: Institution) -> None:
    """Note whose an institution's keys are; the caller knows them to be free."""
    for key, use in keys_of(institution):
        state.write(member_key_key(key), MemberKey(institution=institution.id, use=use))


def keys_of(institution: Institution) -> tuple[tuple[bytes, KeyUse], ...]:
    """An institution's keys and what they are for."""
    return (
        (institution.consensus_key, KeyUse.CONSENSUS),
        (institution.network_key, KeyUse.NETWORK),
        (institution.account_key, KeyUse.ACCOUNT),
        (institution.encryption_key, KeyUse.ENCRYPTION),
    )


def process_org_register(state: Overlay, op: OrgRegister, context: Context) -> None:
    """
    Put an applicant's particulars before the members; any member may, the applicant cosigns (L100).

    Raises:
        InstitutionExists: The id is, or was, somebody's.
        MemberKeyTaken: One of the keys is, or was, a member's, or two of them are the same.
        KeyTaken: The account key is, or was, somebody's.
        CosignatureMissing: The applicant's account or consensus key did not cosign.
    """
    applicant = op.institution
    if get_member(state, applicant.id) is not None:
        raise InstitutionExists(institution=applicant.id)
    seen: list[bytes] = []
    for key, _ in keys_of(applicant):
        if key in seen or state.has(member_key_key(key)):
            raise MemberKeyTaken(key=key)
        seen.append(key)
    if get_key(state, applicant.account_key) is not None:
        raise KeyTaken(key=applicant.account_key)
    for signer in (applicant.account_key, applicant.consensus_key):
        if signer not in context.cosigners:
            raise CosignatureMissing(key=signer)

    claim_keys(state, applicant)
    add_key(state, applicant.account_key, kind=KeyKind.INSTITUTION, owner=applicant.id, height=context.height)
    member = Member(institution=applicant, status=MemberStatus.APPLICANT, since=context.height)
    state.write(member_key(applicant.id), member)
    state.emit(Event("org.registered", applicant.id, (context.key.owner,)))


def process_org_update(state: Overlay, op: OrgUpdate, context: Context) -> None:
    """Change the sender's own name and endpoints (L102)."""
    member = _own(state, context)

    institution = replace(member.institution, legal_name=op.legal_name, endpoints=op.endpoints)
    state.write(member_key(institution.id), replace(member, institution=institution))
    state.emit(Event("org.updated", institution.id))


def process_org_suspend(state: Overlay, op: OrgSuspend, context: Context) -> None:
    """
    Suspend a member: its account key signs nothing any more until a vote reinstates it (L103).

    Raises:
        UnknownInstitution: There is no such institution.
        NotEntitled: The sender is neither a regulator nor the member itself.
        TooFewLeft: A regulator would leave no quorum that may vote.
        WrongStatus: The institution is no active member.
    """
    sender = _own(state, context).institution
    member = existing_member(state, op.institution)
    if sender.role is not Role.REGULATOR and sender.id != op.institution:
        raise NotEntitled("only a regulator or the member itself may suspend it")
    if member.status is not MemberStatus.MEMBER:
        raise WrongStatus(institution=op.institution, status=member.status.name.lower())
    validators = context.block.validators
    if sender.id != op.institution and op.institution in validators:
        left = sum(
            validators.power(each)
            for each in validators.ids()
            if each != op.institution and existing_member(state, each).status is MemberStatus.MEMBER
        )
        if not validators.is_quorum(left):
            raise TooFewLeft(power=left, quorum=validators.quorum)

    state.write(
        member_key(op.institution), replace(member, status=MemberStatus.SUSPENDED, since=context.height)
    )
    state.emit(Event("org.suspended", op.institution, (sender.id,)))


def process_org_key_rotate(state: Overlay, op: OrgKeyRotate, context: Context) -> None:
    """
    Replace one of the sender's keys (L104).

    A new consensus key counts from the next epoch on, all others from this block on.

    Raises:
        MemberKeyTaken: The key is, or was, a member's.
        KeyTaken: It is to be an account key and is, or was, somebody's.
        CosignatureMissing: A new signing key did not cosign.
    """
    member = _own(state, context)
    institution = member.institution
    if state.has(member_key_key(op.key)):
        raise MemberKeyTaken(key=op.key)
    key = PublicKey(op.key)
    if op.use is not KeyUse.ENCRYPTION and key not in context.cosigners:
        raise CosignatureMissing(key=key)
    if op.use is KeyUse.ACCOUNT and get_key(state, key) is not None:
        raise KeyTaken(key=key)

    match op.use:
        case KeyUse.CONSENSUS:
            institution = replace(institution, consensus_key=key)
        case KeyUse.NETWORK:
            institution = replace(institution, network_key=key)
        case KeyUse.ENCRYPTION:
            institution = replace(institution, encryption_key=EncryptionKey(op.key))
        case KeyUse.ACCOUNT:
            add_key(state, key, kind=KeyKind.INSTITUTION, owner=institution.id, height=context.height)
            end_key(state, institution.account_key, context.height)
            institution = replace(institution, account_key=key)
    state.write(member_key_key(op.key), MemberKey(institution=institution.id, use=op.use))
    state.write(member_key(institution.id), replace(member, institution=institution))
    state.emit(Event("org.key-rotated", institution.id, (), op.key))


def process_validator_ready(state: Overlay, op: ValidatorReady, context: Context) -> None:
    """
    Note that a member's node runs and holds its consensus key: it may enter the next table (L109).

    Raises:
        WrongEpoch: The epoch named is not the present one.
        WrongConsensusKey: The key is not the member's.
        CosignatureMissing: The key did not cosign.
    """
    institution = _own(state, context).institution
    if op.epoch != context.block.epoch:
        raise WrongEpoch(named=op.epoch, present=context.block.epoch)
    if op.key != institution.consensus_key:
        raise WrongConsensusKey(f"key {op.key.hex()} is not the member's consensus key")
    if op.key not in context.cosigners:
        raise CosignatureMissing(key=op.key)

    state.write(ready_key(institution.id), Ready(epoch=op.epoch, key=op.key))


def _own(state: Overlay, context: Context) -> Member:
    institution = context.institution
    assert institution is not None, "the role table lets members only"
    member = get_member(state, institution)
    assert member is not None, "admission found it"
    return member


HANDLERS: Handlers = {
    OrgRegister: process_org_register,
    OrgUpdate: process_org_update,
    OrgSuspend: process_org_suspend,
    OrgKeyRotate: process_org_key_rotate,
    ValidatorReady: process_validator_ready,
}
