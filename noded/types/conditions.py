"""
The nouns of the condition language: what a consent may demand of an access.

`All`, `Any` and `Not` over leaves; `noded.ledger.conditions` says what they mean. A condition has at most
`CONDITION_NODES_MAX` nodes and `CONDITION_DEPTH_MAX` levels (L48).
"""

from typing import Annotated

from noded.codec.errors import Malformed
from noded.codec.schema import Limit, Registry
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId, PublicKey, TimestampMs
from noded.types.medical import Compartment, DayRange, GroupId, KindClass, Tag, Use, Version
from noded.types.roles import Purpose, Role

CONDITION_DEPTH_MAX = 8
"""With the transaction, its body, operation and terms around it, it stays within the codec's 16 levels."""

CONDITION_NODES_MAX = 64
"""Leaves take well under 2 µs each, so no condition takes a validator longer than a signature."""

ITEMS_MAX = 16
"""Items of one node; together with the nodes it bounds a condition to 64 × 16 comparisons."""

JURISDICTION_BYTES_MAX = 8


@frozen(kw_only=True)
class Condition:
    """A condition; every subclass has a tag and is one kind of node."""


CONDITIONS: Registry[Condition] = Registry("condition")

Conditions = Annotated[tuple[Annotated[Condition, CONDITIONS], ...], Limit(0, ITEMS_MAX)]


@CONDITIONS.tag(1)
@frozen(kw_only=True)
class All(Condition):
    """Permits iff every one of its conditions does; permits when it has none."""

    of: Conditions


@CONDITIONS.tag(2)
@frozen(kw_only=True)
class Any(Condition):
    """Permits iff one of its conditions does; denies when it has none."""

    of: Conditions


@CONDITIONS.tag(3)
@frozen(kw_only=True)
class Not(Condition):
    """Permits iff its condition denies."""

    of: Annotated[Condition, CONDITIONS]


@CONDITIONS.tag(10)
@frozen(kw_only=True)
class TimeWithin(Condition):
    """The block's time lies in a span; an open end is None."""

    from_ms: TimestampMs | None
    until_ms: TimestampMs | None
    """First millisecond after the span."""


@CONDITIONS.tag(11)
@frozen(kw_only=True)
class HeightWithin(Condition):
    """The block's height lies in a span, both ends included."""

    first: Height
    last: Height


@CONDITIONS.tag(12)
@frozen(kw_only=True)
class PurposeIn(Condition):
    """The stated purpose, or one that contains it, is among these."""

    purposes: Annotated[tuple[Purpose, ...], Limit(1, ITEMS_MAX)]


@CONDITIONS.tag(13)
@frozen(kw_only=True)
class RoleIn(Condition):
    """The reader is a member with one of these roles."""

    roles: Annotated[tuple[Role, ...], Limit(1, ITEMS_MAX)]


@CONDITIONS.tag(14)
@frozen(kw_only=True)
class OrganizationIn(Condition):
    """The reader is one of these members."""

    institutions: Annotated[tuple[InstitutionId, ...], Limit(1, ITEMS_MAX)]


@CONDITIONS.tag(15)
@frozen(kw_only=True)
class InGroup(Condition):
    """The reader is in a group, and was already in the version named (L25)."""

    group: GroupId
    version: Version


@CONDITIONS.tag(16)
@frozen(kw_only=True)
class JurisdictionIn(Condition):
    """The reader is a member under one of these jurisdictions, as its membership says."""

    jurisdictions: Annotated[
        tuple[Annotated[str, Limit(1, JURISDICTION_BYTES_MAX)], ...], Limit(1, ITEMS_MAX)
    ]


@CONDITIONS.tag(17)
@frozen(kw_only=True)
class CustodianIn(Condition):
    """The record is kept by one of these members."""

    institutions: Annotated[tuple[InstitutionId, ...], Limit(1, ITEMS_MAX)]


@CONDITIONS.tag(18)
@frozen(kw_only=True)
class KindIn(Condition):
    """All that is asked for is of these kinds."""

    kinds: Annotated[tuple[KindClass, ...], Limit(1, len(KindClass))]


@CONDITIONS.tag(19)
@frozen(kw_only=True)
class CompartmentIn(Condition):
    """What is asked for is in one of these compartments of the patient."""

    compartments: Annotated[tuple[Compartment, ...], Limit(1, ITEMS_MAX)]


@CONDITIONS.tag(20)
@frozen(kw_only=True)
class DataWithin(Condition):
    """The data is from these days, all of it; data that does not say when it is from is not."""

    days: DayRange


@CONDITIONS.tag(21)
@frozen(kw_only=True)
class ReadsBelow(Condition):
    """Under this consent fewer reads than this were permitted so far, by all readers together."""

    limit: Annotated[int, Limit(1, 1_000_000)]


@CONDITIONS.tag(22)
@frozen(kw_only=True)
class Approvals(Condition):
    """At least `needed` of these keys signed the request with its sender."""

    needed: Annotated[int, Limit(1, ITEMS_MAX)]
    keys: Annotated[tuple[PublicKey, ...], Limit(1, ITEMS_MAX)]

    def __post_init__(self) -> None:
        if len(set(self.keys)) != len(self.keys):
            raise Malformed("Approvals", "a key stands twice and would count twice")
        if self.needed > len(self.keys):
            raise Malformed("Approvals", "more are needed than there are keys")


@CONDITIONS.tag(23)
@frozen(kw_only=True)
class UseDeclared(Condition):
    """The reader declares every one of these of the intended use."""

    uses: Annotated[tuple[Use, ...], Limit(1, len(Use))]


@CONDITIONS.tag(24)
@frozen(kw_only=True)
class TagDeclared(Condition):
    """The reader declares one of these tags: the project or disease that the use is for."""

    tags: Annotated[tuple[Tag, ...], Limit(1, ITEMS_MAX)]


NOBODY = Any(of=())
"""Denies always."""

EVERYBODY = All(of=())
"""Permits always."""
