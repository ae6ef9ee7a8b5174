"""Why this node does not vote, for its operator: the fact, and the way out (R21)."""

from noded.consensus.signer import Silence
from noded.ledger.conduct import get_conduct
from noded.ledger.members import MemberStatus, get_member
from noded.node.node import Node
from noded.types.ids import InstitutionId


def why_silent(node: Node, me: InstitutionId) -> str | None:
    """A sentence; None while the node votes in the present epoch."""
    if node.halted is not None:
        return f"this node halted: {node.halted}"
    epoch = node.core.epoch
    match node.core.silence:
        case None:
            return None
        case Silence.NOT_IN_TABLE:
            return f"this institution has no vote in epoch {epoch}: {_why_not_in_table(node, me)}"
        case Silence.NO_KEY:
            key = node.validators.public_key(me)
            return (
                f"epoch {epoch} wants votes signed with the key {key.hex()}, which this keystore does not have;"
                " bring it here with `noded keys import`, or have another one named with `noded keys rotate`"
            )
        case Silence.LOG_LOST:
            return (
                "the log of what this node signed is gone, so it follows without voting until an epoch begins"
                f" after its start; epoch {epoch} began before"
            )
        case Silence.WAITING:
            return "it started, and does not know yet from others how far the chain is (A4)"
        case Silence.STOPPED:
            return "this node found its state to differ from what the network certified"


def _why_not_in_table(node: Node, me: InstitutionId) -> str:
    state = node.ledger.latest()
    member = get_member(state, me)
    if member is None:
        return "it is no member; see `noded join`"
    if member.status is MemberStatus.APPLICANT:
        return "it applied, and the members admit by vote"
    if member.status is MemberStatus.REMOVED:
        return "it was removed by vote, and another vote may admit it again"
    until = get_conduct(state, me).jailed_until
    if until is not None:
        return f"it equivocated and is jailed until a vote ends that, which is possible from epoch {until} on"
    return "it is admitted, and enters the next table once its node says that it runs: `noded ready`"
