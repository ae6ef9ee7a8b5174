"""
FHIR R4 Consent to conditions, nested provisions included: a child is an exception to its parent.

The ledger knows less than a Consent can say (no LOINC codes, no practitioners). What it cannot tell apart is read
against the reader: a permission that depends on it never matches, a prohibition always does, and a note says so. What
R4 leaves open (a root provision without a type under OPTIN: the published examples mean opposite things by it) is
refused unless the patient says which is meant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any as Anything
from typing import Final, Literal, TypeAlias

from noded.errors import InvalidTransaction
from noded.ledger.conditions.fhir_time import read_day_range, read_time_span
from noded.ledger.conditions.syntax import checked_condition
from noded.types.conditions import (
    EVERYBODY,
    NOBODY,
    All,
    Any,
    CompartmentIn,
    Condition,
    CustodianIn,
    DataWithin,
    Not,
    OrganizationIn,
    PurposeIn,
    TimeWithin,
)
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId
from noded.types.medical import DAYS_MAX, Compartment, Day, DayRange
from noded.types.roles import Purpose

Rule: TypeAlias = Literal["permit", "deny"]

PROVISIONS_DEPTH_MAX = 6
"""Provisions within provisions; deeper ones would not fit a condition anyway."""

_READING_ACTIONS: Final = frozenset(("access", "use", "disclose"))
_OTHER_ACTIONS: Final = frozenset(("collect", "correct"))

_RECIPIENT_ROLES: Final = frozenset(("PRCP", "IRCP", "RECIP", "recipient"))
_CUSTODIAN_ROLES: Final = frozenset(("CST", "AUT", "custodian"))
"""Whose records it is about, not who reads; an author counts as the custodian of what it wrote."""

_PURPOSES: Final = {
    **{purpose.name: purpose for purpose in Purpose},
    "BTG": Purpose.ETREAT,
    "ERTREAT": Purpose.ETREAT,
}
_NARROWER_THAN_NAMED: Final = frozenset(("BTG", "ERTREAT"))
"""Codes for a part of what the ledger knows; good enough for a prohibition only."""


class UnclearConsent(InvalidTransaction):
    """The Consent does not say, or not in a way that can be computed, what it permits; nothing is compiled."""

    def __init__(self, *, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@frozen(kw_only=True)
class Names:
    """What references and labels of a Consent stand for on the ledger; known to patient and custodian."""

    organizations: Mapping[str, InstitutionId]
    """By reference, such as ``Organization/f001``."""
    labels: Mapping[str, Compartment]
    """By code of a security label."""


@frozen(kw_only=True)
class CompiledConsent:
    """A condition, and where it says less than the Consent did."""

    condition: Condition
    notes: tuple[str, ...]
    """Path and what was read against the reader; to be shown to the patient before signing."""


def compile_consent(
    resource: Mapping[str, Anything], names: Names, *, root: Rule | None = None
) -> CompiledConsent:
    """
    The condition that a parsed Consent amounts to; never wider than it.

    Args:
        resource: The Consent, as parsed.
        names: What its references and labels stand for.
        root: What the root provision does, as the patient says; None to take it from the Consent.

    Raises:
        UnclearConsent: It is no active Consent for privacy or research, or what it permits is open.
        ConditionTooLarge, ConditionOutOfLimits: It names more than a condition holds.
    """
    _check_kind(resource)
    policy = _policy(resource)
    provision = resource.get("provision")
    if provision is None:
        if policy is None:
            raise UnclearConsent(
                path="policyRule", why="neither a policy nor a provision says what is permitted"
            )
        return CompiledConsent(condition=EVERYBODY if policy == "permit" else NOBODY, notes=())
    rule = root or _root_rule(provision, policy)
    compiler = _Compiler(names)
    inside = compiler.inside(provision, rule, "provision", PROVISIONS_DEPTH_MAX)
    if rule == "deny" and policy == "permit":
        matched = compiler.matches(provision, "provision", wide=True)
        condition = _any((_not(matched), inside))
    else:
        condition = _all((compiler.matches(provision, "provision", wide=False), inside))
    return CompiledConsent(condition=checked_condition(condition), notes=tuple(dict.fromkeys(compiler.notes)))


def _check_kind(resource: Mapping[str, Anything]) -> None:
    if resource.get("resourceType") != "Consent":
        raise UnclearConsent(path="resourceType", why="is not Consent")
    if resource.get("status") != "active":
        raise UnclearConsent(path="status", why="is not active")
    if not {"patient-privacy", "research"} & set(_codes(resource.get("scope"))):
        raise UnclearConsent(path="scope", why="is neither patient-privacy nor research")
    if "modifierExtension" in resource:
        raise UnclearConsent(path="modifierExtension", why="would change the meaning in an unknown way")


def _policy(resource: Mapping[str, Anything]) -> Rule | None:
    """What holds where no provision says otherwise."""
    codes = set(_codes(resource.get("policyRule")))
    permits, denies = codes & {"OPTIN", "OPTINR"}, codes & {"OPTOUT", "OPTOUTE"}
    if permits and denies:
        raise UnclearConsent(path="policyRule", why="opts in and out")
    return "permit" if permits else "deny" if denies else None


def _root_rule(provision: Anything, policy: Rule | None) -> Rule:
    rule = provision.get("type") if isinstance(provision, dict) else None
    if rule == "permit":
        return "permit"
    if rule == "deny":
        return "deny"
    if policy == "deny":
        return "permit"  # The root is an exception to a policy that denies.
    raise UnclearConsent(
        path="provision.type",
        why="the root rule could be the scope of what is permitted, or an exception to it; state permit or deny",
    )


@dataclass(slots=True)
class _Compiler:
    """Compiles provisions, collecting notes on the way."""

    names: Names
    notes: list[str] = field(default_factory=list)

    def inside(self, provision: Anything, rule: Rule, path: str, depth: int) -> Condition:
        """What holds where a provision matches: its rule, but for its exceptions."""
        children = [
            (child, *self._child(child, f"{path}.provision[{index}]", depth))
            for index, child in enumerate(_list(provision, "provision", path))
        ]
        permits = [(child, at) for child, kind, at in children if kind == "permit"]
        denies = [(child, at) for child, kind, at in children if kind == "deny"]
        permitted = tuple(
            _all((self.matches(child, at, wide=False), self.inside(child, "permit", at, depth - 1)))
            for child, at in permits
        )
        if rule == "deny":
            return _any(permitted)
        exceptions = tuple(
            _any((_not(self.matches(child, at, wide=True)), self.inside(child, "deny", at, depth - 1)))
            for child, at in denies
        )
        if permitted:
            self.notes.append(
                f"{path}.provision: permissions within a permission are read as all that it permits"
            )
            return _all((_any(permitted), *exceptions))
        return _all(exceptions)

    def matches(self, provision: Anything, path: str, *, wide: bool) -> Condition:
        """
        When a provision is about an access: every element that it has must match, by any of its values.

        Where the ledger cannot tell, `wide` says yes and narrow says no.
        """
        if "modifierExtension" in provision:
            raise UnclearConsent(
                path=f"{path}.modifierExtension", why="would change the meaning in an unknown way"
            )
        parts: list[Condition] = []
        if "period" in provision:
            span = read_time_span(provision["period"])
            if span is None:
                parts.append(self._unknown(f"{path}.period", wide))
            else:
                parts.append(TimeWithin(from_ms=span[0], until_ms=span[1]))
        if "dataPeriod" in provision:
            days = read_day_range(provision["dataPeriod"])
            parts.append(self._unknown(f"{path}.dataPeriod", wide) if days is None else _data(days, wide))
        parts += self._actors(provision, path, wide)
        for name, read in (
            ("action", _read_action),
            ("purpose", _read_purpose),
            ("securityLabel", self._read_label),
        ):
            values = _list(provision, name, path)
            if values:
                read_values = [
                    self._known(read(value, wide), f"{path}.{name}[{index}]", wide)
                    for index, value in enumerate(values)
                ]
                parts.append(_any(tuple(read_values)))
        parts += [
            self._unknown(f"{path}.{name}", wide) for name in ("class", "code", "data") if provision.get(name)
        ]
        return _all(tuple(parts))

    def _child(self, child: Anything, path: str, depth: int) -> tuple[Rule, str]:
        if depth == 0:
            raise UnclearConsent(path=path, why=f"provisions nest deeper than {PROVISIONS_DEPTH_MAX}")
        rule = child.get("type")
        if rule not in ("permit", "deny"):
            raise UnclearConsent(path=f"{path}.type", why="a nested rule must say permit or deny")
        return rule, path

    def _actors(self, provision: Anything, path: str, wide: bool) -> list[Condition]:
        """Readers and custodians named; a permission needs one of each named, a prohibition one of all."""
        readers: list[Condition] = []
        custodians: list[Condition] = []
        for index, actor in enumerate(_list(provision, "actor", path)):
            at = f"{path}.actor[{index}]"
            roles = set(_codes(actor.get("role")))
            reference = actor.get("reference")
            name = reference.get("reference") if isinstance(reference, dict) else None
            institution = self.names.organizations.get(name) if isinstance(name, str) else None
            if roles & _CUSTODIAN_ROLES:
                known = CustodianIn(institutions=(institution,)) if institution is not None else None
                custodians.append(self._known(known, at, wide))
            else:
                is_known = institution is not None and bool(roles & _RECIPIENT_ROLES)
                reader = OrganizationIn(institutions=(institution,)) if is_known and institution else None
                readers.append(self._known(reader, at, wide))
        named = [_any(tuple(each)) for each in (readers, custodians) if each]
        return [_any(tuple(named))] if wide and named else named

    def _read_label(self, value: Anything, wide: bool) -> Condition | None:
        code = value.get("code")
        compartment = self.names.labels.get(code) if isinstance(code, str) else None
        return None if compartment is None else CompartmentIn(compartments=(compartment,))

    def _known(self, condition: Condition | None, path: str, wide: bool) -> Condition:
        return self._unknown(path, wide) if condition is None else condition

    def _unknown(self, path: str, wide: bool) -> Condition:
        self.notes.append(f"{path}: {'prohibits whatever it says' if wide else 'permits nothing'}")
        return EVERYBODY if wide else NOBODY


def _read_action(value: Anything, wide: bool) -> Condition | None:
    """The ledger's accesses are readings: what is about collecting or correcting is not about them."""
    codes = set(_codes(value))
    if codes & _READING_ACTIONS:
        return EVERYBODY
    return NOBODY if codes & _OTHER_ACTIONS else None


def _read_purpose(value: Anything, wide: bool) -> Condition | None:
    code = value.get("code")
    if not isinstance(code, str) or code not in _PURPOSES or (code in _NARROWER_THAN_NAMED and not wide):
        return None
    return PurposeIn(purposes=(_PURPOSES[code],))


def _data(days: DayRange, wide: bool) -> Condition:
    """Data from within these days; for a prohibition, any that is not wholly before or after them."""
    if not wide:
        return DataWithin(days=days)
    outside: list[Condition] = []
    if days.first > -DAYS_MAX:
        outside.append(DataWithin(days=DayRange(first=Day(-DAYS_MAX), end=days.first)))
    if days.end < DAYS_MAX:
        outside.append(DataWithin(days=DayRange(first=days.end, end=Day(DAYS_MAX))))
    return _not(_any(tuple(outside)))


def _codes(concept: Anything) -> Sequence[str]:
    """The codes of a CodeableConcept."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    found = (
        [coding.get("code") for coding in codings if isinstance(coding, dict)]
        if isinstance(codings, list)
        else []
    )
    return [code for code in found if isinstance(code, str)]


def _list(provision: Anything, name: str, path: str) -> Sequence[dict[str, Anything]]:
    """The objects of a repeated element."""
    if not isinstance(provision, dict):
        raise UnclearConsent(path=path, why="is no object")
    values = provision.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UnclearConsent(path=f"{path}.{name}", why="is no list of objects")
    return values


def _all(conditions: Sequence[Condition]) -> Condition:
    """As `All`, without levels and nodes that say nothing."""
    parts: list[Condition] = []
    for condition in conditions:
        parts += condition.of if isinstance(condition, All) else (condition,)
    if NOBODY in parts:
        return NOBODY
    return parts[0] if len(parts) == 1 else All(of=tuple(parts))


def _any(conditions: Sequence[Condition]) -> Condition:
    """As `Any`, without levels and nodes that say nothing."""
    parts: list[Condition] = []
    for condition in conditions:
        parts += condition.of if isinstance(condition, Any) else (condition,)
    if EVERYBODY in parts:
        return EVERYBODY
    return parts[0] if len(parts) == 1 else Any(of=tuple(parts))


def _not(condition: Condition) -> Condition:
    if isinstance(condition, Not):
        return condition.of
    return NOBODY if condition == EVERYBODY else EVERYBODY if condition == NOBODY else Not(of=condition)
