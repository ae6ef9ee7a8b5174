"""Members and their keys, proposals and votes."""

from enum import IntEnum
from typing import Annotated, TypeAlias

from noded.codec.schema import Limit, Registry
from noded.types.frozen import frozen
from noded.types.genesis import ENDPOINTS_MAX, Endpoint, Institution, NetworkParameters
from noded.types.ids import Epoch, InstitutionId, PublicKey
from noded.types.medical import RequestId
from noded.types.operations.registry import Operation, operation

REASON_BYTES_MAX = 256
"""Of why a member is suspended: some sentences."""


class KeyUse(IntEnum):
    """What a member's key is for."""

    CONSENSUS = 1
    """Votes, proposals, batches; a new one counts from the next epoch on."""
    NETWORK = 2
    ACCOUNT = 3
    """Signs transactions."""
    ENCRYPTION = 4
    """Data keys are wrapped to it."""


@operation(1, "org.register")
@frozen(kw_only=True)
class OrgRegister(Operation):
    """Put an applicant's particulars before the members; cosigned by the applicant's account and consensus keys."""

    institution: Institution


@operation(2, "org.update")
@frozen(kw_only=True)
class OrgUpdate(Operation):
    """Change the sender's own name and endpoints."""

    legal_name: Annotated[str, Limit(1, 128)]
    endpoints: Annotated[tuple[Endpoint, ...], Limit(0, ENDPOINTS_MAX)]


@operation(3, "org.suspend")
@frozen(kw_only=True)
class OrgSuspend(Operation):
    """Suspend a member: its keys sign nothing but this chain's votes until it is reinstated by vote."""

    institution: InstitutionId
    reason: Annotated[str, Limit(1, REASON_BYTES_MAX)]


@operation(4, "org.key.rotate")
@frozen(kw_only=True)
class OrgKeyRotate(Operation):
    """Replace one of the sender's keys; a new signing key cosigns."""

    use: KeyUse
    key: Annotated[bytes, Limit(32, 32)]
    """Ed25519, or X25519 for ENCRYPTION."""


@frozen(kw_only=True)
class Admit:
    """Make an applicant a member."""

    institution: InstitutionId


@frozen(kw_only=True)
class Remove:
    """End a membership; history and keys stay on the ledger."""

    institution: InstitutionId


@frozen(kw_only=True)
class Reinstate:
    """End a suspension, or a jail after equivocation."""

    institution: InstitutionId


@frozen(kw_only=True)
class SetParameters:
    """Replace the network parameters."""

    parameters: NetworkParameters


@frozen(kw_only=True)
class CloseEpoch:
    """End the epoch at the next height."""

    epoch: Epoch
    """The one to close; void in any other."""


@frozen(kw_only=True)
class Uphold:
    """Uphold the reader's dispute of a release that it could not read."""

    request: RequestId


Action: TypeAlias = Admit | Remove | Reinstate | SetParameters | CloseEpoch | Uphold

ACTIONS: Registry[Action] = Registry("governance action")
ACTIONS.register(1, Admit)
ACTIONS.register(2, Remove)
ACTIONS.register(3, Reinstate)
ACTIONS.register(4, SetParameters)
ACTIONS.register(5, CloseEpoch)
ACTIONS.register(6, Uphold)


@operation(5, "gov.propose")
@frozen(kw_only=True)
class GovPropose(Operation):
    """Put an action to the vote; takes effect with the vote that completes a quorum of voting power."""

    proposal: Annotated[bytes, Limit(16, 16)]
    """Random id."""
    action: Annotated[Action, ACTIONS]


@operation(6, "gov.vote")
@frozen(kw_only=True)
class GovVote(Operation):
    """Vote on a proposal; final, and weighed by the powers of the epoch in which the votes are counted."""

    proposal: Annotated[bytes, Limit(16, 16)]
    approve: bool


@operation(7, "validator.ready")
@frozen(kw_only=True)
class ValidatorReady(Operation):
    """Show that a member's node runs and holds its consensus key, which cosigns; it may enter the next table."""

    epoch: Epoch
    """The present one."""
    key: PublicKey
    """The member's consensus key."""
