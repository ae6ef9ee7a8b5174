"""
Data Use Ontology to conditions: the terms under which data may be used in research.

A dataset's terms are codes, some with arguments. A researcher's request states a purpose, declares uses and tags
under signature, and is matched by the conditions these compile into; a false declaration is on the ledger for good.
"""

from collections.abc import Callable, Sequence
from typing import Final

from noded.errors import InvalidTransaction
from noded.ledger.conditions.syntax import checked_condition
from noded.types.conditions import (
    EVERYBODY,
    All,
    Any,
    Approvals,
    Condition,
    JurisdictionIn,
    Not,
    OrganizationIn,
    PurposeIn,
    TagDeclared,
    TimeWithin,
    UseDeclared,
)
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId, PublicKey, TimestampMs
from noded.types.medical import Tag, Use
from noded.types.roles import Purpose


class UnusableDuo(InvalidTransaction):
    """Codes say no terms of use: one is unknown or lacks its argument, or none permits anything."""

    def __init__(self, *, code: str, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


@frozen(kw_only=True)
class DuoTerm:
    """One code with its argument; most have none."""

    code: str
    """Such as ``DUO:0000007``."""
    tags: tuple[Tag, ...] = ()
    """For DS, RS and PS: the diseases, research types or projects."""
    institutions: tuple[InstitutionId, ...] = ()
    """For IS."""
    keys: tuple[PublicKey, ...] = ()
    """For US: the approved users', one of which must sign the request."""
    jurisdictions: tuple[str, ...] = ()
    """For GS."""
    until_ms: TimestampMs | None = None
    """For TS."""


@frozen()
class _Code:
    shorthand: str
    permission: bool
    """Whether it permits by itself; the others narrow. CC is called a modifier, but says who else may."""
    build: Callable[[DuoTerm], Condition | None]
    """None when its argument is missing."""


def _use(*uses: Use) -> Callable[[DuoTerm], Condition]:
    return lambda _: UseDeclared(uses=uses)


def _no_use(use: Use) -> Callable[[DuoTerm], Condition]:
    return lambda _: Not(of=UseDeclared(uses=(use,)))


def _tagged(term: DuoTerm) -> Condition | None:
    return TagDeclared(tags=term.tags) if term.tags else None


_RESEARCH: Final = PurposeIn(purposes=(Purpose.HRESCH,))
_NO_ANCESTRY: Final = Not(of=UseDeclared(uses=(Use.ANCESTRY_STUDY,)))


def _disease(term: DuoTerm) -> Condition | None:
    return All(of=(_RESEARCH, TagDeclared(tags=term.tags))) if term.tags else None


CODES: Final[dict[str, _Code]] = {
    "DUO:0000004": _Code("NRES", True, lambda _: EVERYBODY),
    "DUO:0000042": _Code("GRU", True, lambda _: _RESEARCH),
    "DUO:0000006": _Code("HMB", True, lambda _: All(of=(_RESEARCH, _NO_ANCESTRY))),
    "DUO:0000007": _Code("DS", True, _disease),
    "DUO:0000011": _Code("POA", True, lambda _: All(of=(_RESEARCH, UseDeclared(uses=(Use.ANCESTRY_STUDY,))))),
    "DUO:0000012": _Code("RS", False, _tagged),
    "DUO:0000015": _Code("NMDS", False, _no_use(Use.METHODS_DEVELOPMENT)),
    "DUO:0000016": _Code("GSO", False, _use(Use.GENETIC_STUDY)),
    "DUO:0000018": _Code("NPUNCU", False, _use(Use.NOT_FOR_PROFIT, Use.NON_COMMERCIAL)),
    "DUO:0000019": _Code("PUB", False, _use(Use.WILL_PUBLISH)),
    "DUO:0000020": _Code("COL", False, _use(Use.WILL_COLLABORATE)),
    "DUO:0000021": _Code("IRB", False, _use(Use.ETHICS_APPROVED)),
    "DUO:0000022": _Code(
        "GS", False, lambda t: JurisdictionIn(jurisdictions=t.jurisdictions) if t.jurisdictions else None
    ),
    "DUO:0000024": _Code("MOR", False, _use(Use.WILL_NOT_PUBLISH_EARLY)),
    "DUO:0000025": _Code(
        "TS",
        False,
        lambda t: TimeWithin(from_ms=None, until_ms=t.until_ms) if t.until_ms is not None else None,
    ),
    "DUO:0000026": _Code(
        "US", False, lambda t: Approvals(needed=1, keys=tuple(dict.fromkeys(t.keys))) if t.keys else None
    ),
    "DUO:0000027": _Code("PS", False, _tagged),
    "DUO:0000028": _Code(
        "IS", False, lambda t: OrganizationIn(institutions=t.institutions) if t.institutions else None
    ),
    "DUO:0000029": _Code("RTN", False, _use(Use.WILL_RETURN_DATA)),
    "DUO:0000043": _Code("CC", True, lambda _: PurposeIn(purposes=(Purpose.TREAT,))),
    "DUO:0000044": _Code("NPOA", False, lambda _: _NO_ANCESTRY),
    "DUO:0000045": _Code("NPU", False, _use(Use.NOT_FOR_PROFIT)),
    "DUO:0000046": _Code("NCU", False, _use(Use.NON_COMMERCIAL)),
}
"""The matching table: what each code asks of a request."""


def compile_duo(terms: Sequence[DuoTerm]) -> Condition:
    """
    The condition that a dataset's terms amount to: one of the permissions, and every modifier.

    Raises:
        UnusableDuo: A code is unknown or lacks its argument, or no code permits anything.
        ConditionOutOfLimits: An argument has more items than a condition holds.
    """
    permissions: list[Condition] = []
    modifiers: list[Condition] = []
    for term in terms:
        code = CODES.get(term.code)
        if code is None:
            raise UnusableDuo(code=term.code, why="is no code for terms of use")
        built = code.build(term)
        if built is None:
            raise UnusableDuo(code=term.code, why=f"{code.shorthand} needs its argument")
        (permissions if code.permission else modifiers).append(built)
    if not permissions:
        raise UnusableDuo(code="DUO:0000001", why="none of the codes permits anything")
    permitted = permissions[0] if len(permissions) == 1 else Any(of=tuple(permissions))
    return checked_condition(All(of=(permitted, *modifiers)) if modifiers else permitted)
