"""A world in which a clinic asks a hospital for a record."""

from typing import Any

from noded.ledger.modules.access import AccessStatus, get_access
from noded.types.medical import (
    Compartment,
    GroupId,
)
from noded.types.operations.consent import (
    AccessReceipt,
    AccessRelease,
    ReceiptResult,
    WholeCompartment,
)
from tests.helpers.medical import (
    CLINIC,
    HOSPITAL,
    PATIENT,
    REQUEST,
    WRAP_HASH,
    Party,
    World,
    id16,
    make_grant,
    make_record,
    make_request,
)

RELEASE = AccessRelease(request=REQUEST, wrap_hash=WRAP_HASH)


READ = AccessReceipt(request=REQUEST, result=ReceiptResult.READ)


GROUP = GroupId(id16("group"))


COMPARTMENT = WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0))


def make_world(**terms: Any) -> World:
    """A lab record of `PATIENT` at `HOSPITAL`, and a consent to `CLINIC`."""
    world = World()
    world.apply(HOSPITAL, make_record())
    world.apply(PATIENT, make_grant(**terms))
    return world


def decided(world: World, sender: Party = CLINIC, cosigners: tuple[Party, ...] = (), **request: Any) -> str:
    """The path of the decision on a request, after whether it permits."""
    op = make_request(**request)
    world.apply(sender, op, cosigners=cosigners)
    access = get_access(world.state, op.request)
    assert access.status in (AccessStatus.PERMITTED, AccessStatus.DENIED)
    assert (access.due_ms is None) == (access.status is AccessStatus.DENIED)
    return f"{access.status.name.lower()} {access.path}"
