"""
What a FHIR validator finds in a record; findings are warnings and never lose a record (F4).

`fhir.resources` is imported when first needed: it costs half a second and 250 modules, and only the CLI's
importing process pays. It reads a copy of the bytes; nothing it makes of them is kept.
"""

import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

FINDINGS_MAX = 20
"""Findings reported of one record; a resource of another FHIR version may have one for each member."""

_PATH_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a resource; it names members and rules, never the values."""

    path: str
    """As in FHIRPath, with names as in the document: ``Observation.code.coding[0].system``."""
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def validate(content: bytes) -> tuple[Finding, ...]:
    """
    Check a resource's bytes against FHIR R4B's structure; at most FINDINGS_MAX findings.

    Args:
        content: One JSON object in UTF-8, as `slice_document` gives it.
    """
    repeated: list[str] = []

    def make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(members := dict(pairs)) < len(pairs):
            repeated.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return members

    resource = json.loads(
        content, parse_int=_read_number, parse_float=_read_number, object_pairs_hook=make_object
    )
    assert isinstance(resource, dict)
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str):
        return (Finding(path="resourceType", reason="missing, so nothing else can be checked"),)
    findings = [
        Finding(path=_path(resource_type, (name,)), reason="stands twice in one object; readers may differ")
        for name in repeated
    ]
    return tuple((findings + _check_structure(resource_type, resource))[:FINDINGS_MAX])


def _check_structure(resource_type: str, resource: dict[str, object]) -> list[Finding]:
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        get_fhir_model_class(resource_type).model_validate(resource)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        return [Finding(path=_path(resource_type, error["loc"]), reason=error["msg"]) for error in errors]
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # The library itself stumbles over unknown types, at the top or inside; its text may quote values.
        reason = f"cannot be checked: an unknown resource type, here or inside ({type(error).__name__})"
        return [Finding(path=_path(resource_type, ()), reason=reason)]
    return []


def _path(resource_type: str, location: tuple[int | str, ...]) -> str:
    path = resource_type + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path if len(path) <= _PATH_CHARS_MAX else f"{path[:_PATH_CHARS_MAX]}…"


def _read_number(text: str) -> int | float | Decimal:
    """The number as exact as Python can hold it, of any length; JSON's own limit is none."""
    if text.lstrip("-").isdigit() and len(text) < 20:
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:  # An exponent beyond 10**18.
        return float(text)
