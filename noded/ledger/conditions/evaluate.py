"""What conditions mean: a decision, and the path of the node that decided (L47, L49)."""

from collections.abc import Callable
from typing import Any as Anything
from typing import Final

from noded.types import conditions as syntax
from noded.types.conditions import Condition
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId, PublicKey, TimestampMs
from noded.types.medical import Compartment, DayRange, GroupId, KindClass, Tag, Use, Version, has_purpose
from noded.types.roles import Purpose, Role


@frozen()
class Decision:
    """Permit or deny, and what decided."""

    permits: bool
    path: str
    """From the root to the deciding node, such as ``all[1]/not/purpose``; says the same on every validator."""

    def under(self, prefix: str) -> "Decision":
        """The same decision, seen from further up."""
        return Decision(self.permits, f"{prefix}/{self.path}")


@frozen(kw_only=True)
class AccessFacts:
    """All that conditions may ask about one access by a member."""

    time_ms: TimestampMs
    height: Height
    purpose: Purpose
    institution: InstitutionId
    """The reader's."""
    role: Role
    jurisdiction: str
    custodian: InstitutionId
    kinds: tuple[KindClass, ...]
    """Of all that is asked for."""
    compartment: Compartment
    days: DayRange | None
    """The days the data is from; None if it does not say, or is not one record."""
    reads: int
    """Permitted so far under the same consent."""
    signers: tuple[PublicKey, ...]
    uses: tuple[Use, ...]
    tags: tuple[Tag, ...]
    is_member: Callable[[GroupId, Version], bool]
    """Whether the reader is in a group and was in its version."""


def evaluate(condition: Condition, facts: AccessFacts) -> Decision:
    """
    Decide (L47): total, and bounded by the limits of the condition.

    The deciding node is, of an `All` that denies and of an `Any` that permits, the one of its first condition that
    does so, else the node itself; of a `Not`, the one of its condition (L49).
    """
    match condition:
        case syntax.All(of=conditions):
            for index, inner in enumerate(conditions):
                decision = evaluate(inner, facts)
                if not decision.permits:
                    return decision.under(f"all[{index}]")
            return Decision(True, "all")
        case syntax.Any(of=conditions):
            for index, inner in enumerate(conditions):
                decision = evaluate(inner, facts)
                if decision.permits:
                    return decision.under(f"any[{index}]")
            return Decision(False, "any")
        case syntax.Not(of=inner):
            decision = evaluate(inner, facts)
            return Decision(not decision.permits, f"not/{decision.path}")
        case _:
            return Decision(_HOLDS[type(condition)](condition, facts), LEAF_NAMES[type(condition)])


def _time(leaf: syntax.TimeWithin, facts: AccessFacts) -> bool:
    begun = leaf.from_ms is None or leaf.from_ms <= facts.time_ms
    return begun and (leaf.until_ms is None or facts.time_ms < leaf.until_ms)


def _height(leaf: syntax.HeightWithin, facts: AccessFacts) -> bool:
    return leaf.first <= facts.height <= leaf.last


def _purpose(leaf: syntax.PurposeIn, facts: AccessFacts) -> bool:
    return has_purpose(leaf.purposes, facts.purpose)


def _role(leaf: syntax.RoleIn, facts: AccessFacts) -> bool:
    return facts.role in leaf.roles


def _organization(leaf: syntax.OrganizationIn, facts: AccessFacts) -> bool:
    return facts.institution in leaf.institutions


def _group(leaf: syntax.InGroup, facts: AccessFacts) -> bool:
    return facts.is_member(leaf.group, leaf.version)


def _jurisdiction(leaf: syntax.JurisdictionIn, facts: AccessFacts) -> bool:
    return facts.jurisdiction in leaf.jurisdictions


def _custodian(leaf: syntax.CustodianIn, facts: AccessFacts) -> bool:
    return facts.custodian in leaf.institutions


def _kind(leaf: syntax.KindIn, facts: AccessFacts) -> bool:
    return all(kind in leaf.kinds for kind in facts.kinds)


def _compartment(leaf: syntax.CompartmentIn, facts: AccessFacts) -> bool:
    return facts.compartment in leaf.compartments


def _data(leaf: syntax.DataWithin, facts: AccessFacts) -> bool:
    return facts.days is not None and leaf.days.covers(facts.days)


def _reads(leaf: syntax.ReadsBelow, facts: AccessFacts) -> bool:
    return facts.reads < leaf.limit


def _approvals(leaf: syntax.Approvals, facts: AccessFacts) -> bool:
    return sum(key in facts.signers for key in leaf.keys) >= leaf.needed


def _use(leaf: syntax.UseDeclared, facts: AccessFacts) -> bool:
    return all(use in facts.uses for use in leaf.uses)


def _tag(leaf: syntax.TagDeclared, facts: AccessFacts) -> bool:
    return any(tag in facts.tags for tag in leaf.tags)


LEAVES: Final[tuple[tuple[str, type[Condition], Callable[[Anything, AccessFacts], bool]], ...]] = (
    ("time", syntax.TimeWithin, _time),
    ("height", syntax.HeightWithin, _height),
    ("purpose", syntax.PurposeIn, _purpose),
    ("role", syntax.RoleIn, _role),
    ("organization", syntax.OrganizationIn, _organization),
    ("group", syntax.InGroup, _group),
    ("jurisdiction", syntax.JurisdictionIn, _jurisdiction),
    ("custodian", syntax.CustodianIn, _custodian),
    ("kind", syntax.KindIn, _kind),
    ("compartment", syntax.CompartmentIn, _compartment),
    ("data", syntax.DataWithin, _data),
    ("reads", syntax.ReadsBelow, _reads),
    ("approvals", syntax.Approvals, _approvals),
    ("use", syntax.UseDeclared, _use),
    ("tag", syntax.TagDeclared, _tag),
)
"""Every kind of leaf: its name in paths, its class, and when it permits. A new one is one row here."""

LEAF_NAMES: Final = {cls: name for name, cls, _ in LEAVES}
_HOLDS: Final = {cls: holds for _, cls, holds in LEAVES}
