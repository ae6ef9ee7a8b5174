"""
Whose record a resource is (F6).

A patient has a *key* here: a text that is equal for resources of the same patient. It is the entry's
`fullUrl`, else `Patient/<id>`. Keys are personal data: they choose the patient's pairwise key pair and
stay at the institution; they are never part of a transaction.

Merging two people is worse than splitting one: references are joined only where FHIR's rules for
resolving them in a Bundle say so, and `Patient/1` of one server is never `Patient/1` of another.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

KEY_BYTES_MAX: Final = 2048
"""Of a key in UTF-8: a URL at most. What is longer, or no text for half of a surrogate pair, is named by its hash."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_RELATIVE = re.compile(r"(Patient/[A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
_ABSOLUTE = re.compile(r"(https?://.+/Patient/[A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
_RESTFUL = re.compile(r"(https?://.+/)[A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/.*)?")

_PATIENT_FIELDS = ("patient", "beneficiary", "for", "individual", "candidate")
"""Fields of R4's types that refer to a patient and, but for `for`, to nothing else."""
_SUBJECT_FIELDS = ("subject", *_PATIENT_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose record a resource is."""

    patient: str | None
    """The key of the one patient; None: the institution's own, as no single patient may consent to its use."""
    mentioned: tuple[str, ...]
    """The keys of all patients found, in order; more than one when `patient` is None for that reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What of a document's resource matters for resolving references."""

    full_url: str | None
    resource: Mapping[str, object]


class PatientIndex:
    """Resolves references within one document."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._is_patient_by_url: dict[str, bool] = {}
        self._key_by_id: dict[str, str | None] = {}
        for entry in entries:
            is_patient = entry.resource.get("resourceType") == "Patient"
            if entry.full_url:
                self._is_patient_by_url[entry.full_url] = is_patient
            key = _own_key(entry)
            resource_id = entry.resource.get("id")
            if is_patient and key and isinstance(resource_id, str):
                known = self._key_by_id.setdefault(f"Patient/{resource_id}", key)
                if known != key:  # Two servers' patients with one id: a relative reference names neither.
                    self._key_by_id[f"Patient/{resource_id}"] = None

    def attribute(self, entry: Entry) -> Attribution:
        """Whose record a resource of the document is; total, also for malformed resources."""
        if entry.resource.get("resourceType") == "Patient":
            found = [key] if (key := _own_key(entry)) else []
        else:
            found = list(dict.fromkeys(self._subjects(entry))) or list(dict.fromkeys(self._mentions(entry)))
        keys = tuple(map(_bounded, found))
        return Attribution(patient=keys[0] if len(keys) == 1 else None, mentioned=keys)

    def _subjects(self, entry: Entry) -> Iterator[str]:
        for field in _SUBJECT_FIELDS:
            value = entry.resource.get(field)
            for reference in value if isinstance(value, list) else [value]:
                if isinstance(reference, dict):
                    key = self._resolve(entry, reference, is_subject=True)
                    if key:
                        yield key

    def _mentions(self, entry: Entry) -> Iterator[str]:
        """Patients named anywhere in the resource: participants, members, targets, nested resources."""
        pending: list[object] = [entry.resource]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                if value.get("resourceType") == "Patient" and isinstance(value.get("id"), str):
                    yield self._local_key(entry, f"Patient/{value['id']}")
                key = self._resolve(entry, value, is_subject=False)
                if key:
                    yield key
                pending.extend(reversed(value.values()))
            elif isinstance(value, list):
                pending.extend(reversed(value))

    def _resolve(self, entry: Entry, reference: Mapping[str, object], *, is_subject: bool) -> str | None:
        """The key of the patient a Reference names; None if it names none."""
        target, target_type = reference.get("reference"), reference.get("type")
        if not isinstance(target, str):
            return _identifier_key(reference) if target_type == "Patient" else None
        if target in self._is_patient_by_url:
            return target if self._is_patient_by_url[target] else None
        if found := _RELATIVE.fullmatch(target):
            return self._local_key(entry, found[1])
        if found := _ABSOLUTE.fullmatch(target):
            return found[1]
        if target.startswith("Patient?"):
            return target
        if target.startswith("#"):
            return self._contained_key(entry, target[1:])
        # A urn of something outside the document. As a subject it is taken for a patient: the record then
        # needs a consent that nobody can give, instead of none.
        is_urn = target.startswith("urn:")
        return (
            target if is_urn and (target_type == "Patient" or (is_subject and target_type is None)) else None
        )

    def _local_key(self, entry: Entry, relative: str) -> str:
        """The key of ``Patient/<id>`` as seen from an entry: its server's, else the document's own."""
        base = _RESTFUL.fullmatch(entry.full_url or "")
        if base:
            return base[1] + relative
        return self._key_by_id.get(relative) or relative

    def _contained_key(self, entry: Entry, local_id: str) -> str | None:
        """The key of a patient who exists only inside the resource, so that nothing else is ever joined."""
        contained = entry.resource.get("contained")
        for inner in contained if isinstance(contained, list) else []:
            if isinstance(inner, dict) and (inner.get("id"), inner.get("resourceType")) == (
                local_id,
                "Patient",
            ):
                own = entry.full_url or f"{entry.resource.get('resourceType')}/{entry.resource.get('id')}"
                return f"{own}#{local_id}"
        return None


def _bounded(key: str) -> str:
    """A key, or what stands for one that cannot be kept."""
    encoded = key.encode("utf-8", "surrogatepass")
    if len(encoded) <= KEY_BYTES_MAX and not _SURROGATE.search(key):
        return key
    return f"sha256:{sha256(encoded).hexdigest()}"


def _own_key(entry: Entry) -> str | None:
    """The key of a patient's own resource."""
    if entry.full_url:
        found = _ABSOLUTE.fullmatch(entry.full_url)
        return found[1] if found else entry.full_url
    resource_id = entry.resource.get("id")
    return f"Patient/{resource_id}" if isinstance(resource_id, str) else None


def _identifier_key(reference: Mapping[str, object]) -> str | None:
    """The key of a patient named by a business identifier alone, in the form of a conditional reference."""
    identifier = reference.get("identifier")
    if not isinstance(identifier, dict) or not isinstance(identifier.get("value"), str):
        return None
    system = identifier.get("system")
    return f"Patient?identifier={system if isinstance(system, str) else ''}|{identifier['value']}"
