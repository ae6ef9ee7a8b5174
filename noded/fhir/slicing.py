"""
A FHIR document's bytes, cut into records without touching them (F1, F2).

A Bundle's every entry is one record: exactly the bytes of the file that hold the entry's `resource`
value. Any other resource is one record: the bytes of the top-level value. White space, decimals such
as `1.00`, escapes and the order of members stay as they came, because a commitment is over the bytes
received (ledger.md §1).

A broken entry costs only itself (F3): it becomes a `Problem`, and the entries round it are still cut.
"""

import codecs
import json
from dataclasses import dataclass
from enum import StrEnum

from noded.errors import NodedError
from noded.fhir.json_cursor import JsonCursor, NotJson, PlaceFinder

DOCUMENT_BYTES_MAX = 256 * 1024 * 1024
"""The largest file read. Its text takes up to four times as much in memory: 1 GiB, in the CLI's process."""


class InvalidDocument(NodedError):
    """A file that is no FHIR document in JSON; nothing of it can be taken."""

    def __init__(self, *, source: str, line: int, column: int, reason: str) -> None:
        super().__init__(f"{source}: line {line}, column {column}: {reason}")
        self.source = source
        self.line = line
        self.column = column
        self.reason = reason


class ProblemKind(StrEnum):
    """Why a part of a Bundle is no record."""

    NO_RESOURCE = "no-resource"
    """An entry with no `resource`, as in a deletion or a response: legal, but there is nothing to keep."""
    BROKEN_ENTRY = "broken-entry"
    """An entry that is no valid JSON, or whose `resource` is no object or ambiguous; the others are kept."""
    REPEATED_ENTRY = "repeated-entry"
    """The Bundle has a second list of entries, as no writer of FHIR makes; both were cut."""
    BROKEN_DOCUMENT = "broken-document"
    """The Bundle itself is no valid JSON from this place on; only what stands before it was cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A place in a Bundle from which no record could be cut."""

    source: str
    kind: ProblemKind
    path: str
    """As in FHIRPath: ``Bundle.entry[3]``."""
    line: int
    column: int
    """Both from 1; columns count characters."""
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: line {self.line}, column {self.column}: {self.path}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSlice:
    """One resource as the bytes that stood in its document."""

    source: str
    path: str
    """As in FHIRPath: ``Bundle.entry[3].resource``, or ``Observation`` for a document of one resource."""
    line: int
    """Where the resource begins, from 1."""
    start: int
    """Byte offset in the file; ``content == file[start : start + len(content)]``."""
    content: bytes
    """Valid UTF-8 and valid JSON: one object."""
    resource_type: str | None
    """None if the entry's resource names no type; a document of one resource always does."""
    resource_id: str | None
    full_url: str | None
    """The entry's `fullUrl`; None outside a Bundle or if it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicedDocument:
    """All that one file holds: its records in file order, and the places that gave none."""

    source: str
    slices: tuple[ResourceSlice, ...]
    problems: tuple[Problem, ...]


def slice_document(source: str, data: bytes) -> SlicedDocument:
    """
    Cut a file's bytes into records.

    Args:
        source: The file's name, for errors only.
        data: The whole file; UTF-8, with or without a byte order mark.

    Raises:
        InvalidDocument: It is no JSON, no FHIR resource, not UTF-8, or larger than DOCUMENT_BYTES_MAX.
            A Bundle with a broken part is not refused: see `SlicedDocument.problems`.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        reason = f"larger than {DOCUMENT_BYTES_MAX} bytes; split the Bundle into several files"
        raise InvalidDocument(source=source, line=1, column=1, reason=reason)
    encoding = json.detect_encoding(data)
    if encoding not in ("utf-8", "utf-8-sig"):
        reason = f"the file is {encoding.upper()}; FHIR's JSON is UTF-8"
        raise InvalidDocument(source=source, line=1, column=1, reason=reason)
    return _DocumentSlicer(source, data).slice()


class _DocumentSlicer:
    """The work of one `slice_document`: a cursor, what was cut so far, and running positions."""

    def __init__(self, source: str, data: bytes) -> None:
        self._source = source
        bom_size = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
        # An invalid byte becomes a lone surrogate, which valid UTF-8 cannot give: so only its entry is broken.
        text = data[bom_size:].decode("utf-8", "surrogateescape")
        self._cursor = JsonCursor(text)
        self._places = PlaceFinder(text, first_offset=bom_size)
        self._entries = 0
        self._slices: list[ResourceSlice] = []
        self._problems: list[Problem] = []

    def slice(self) -> SlicedDocument:
        resource_type: object = None
        start = 0
        try:
            self._cursor.peek()
            start = self._cursor.at
            for name in self._cursor.names():
                if name == "entry" and resource_type in (None, "Bundle"):
                    self._slice_entries()
                    continue
                value = self._cursor.value()
                if name == "resourceType":
                    resource_type = value
                    if resource_type != "Bundle":
                        break
            else:
                self._cursor.expect_end()
        except NotJson as error:
            if resource_type != "Bundle":
                raise self._invalid(error.at, error.reason) from None
            self._report(ProblemKind.BROKEN_DOCUMENT, "Bundle", error.at, error.reason)
        if resource_type != "Bundle":
            return self._slice_single(start)
        return SlicedDocument(source=self._source, slices=tuple(self._slices), problems=tuple(self._problems))

    def _slice_single(self, start: int) -> SlicedDocument:
        self._cursor.at = start
        try:
            resource = self._cursor.value()
            end = self._cursor.at
            self._cursor.expect_end()
        except NotJson as error:
            raise self._invalid(error.at, error.reason) from None
        assert isinstance(resource, dict)
        if not isinstance(resource.get("resourceType"), str):
            raise self._invalid(start, "no 'resourceType': this is no FHIR resource")
        try:
            single = self._cut(resource["resourceType"], start, end, resource, full_url=None)
        except NotJson as error:
            raise self._invalid(error.at, error.reason) from None
        return SlicedDocument(source=self._source, slices=(single,), problems=())

    def _slice_entries(self) -> None:
        """Cut every element of the array here; one that is broken is reported and passed over."""
        cursor = self._cursor
        if cursor.peek() != "[":
            raise NotJson(cursor.at, "'entry' must be a list")
        if self._entries:
            self._report(ProblemKind.REPEATED_ENTRY, "Bundle", cursor.at, "a second 'entry'; both were cut")
        cursor.take("[")
        if cursor.peek() == "]":
            cursor.at += 1
            return
        while True:
            cursor.peek()
            start = cursor.at
            path = f"Bundle.entry[{self._entries}]"
            self._entries += 1
            try:
                self._slice_entry(path)
            except NotJson as error:
                self._report(ProblemKind.BROKEN_ENTRY, path, error.at, error.reason)
                cursor.at = start
                if not cursor.skip_broken_element():
                    reason = "this entry's brackets do not close, so nothing after it can be read"
                    raise NotJson(start, reason) from None
            if cursor.take(",]") == "]":
                return

    def _slice_entry(self, path: str) -> None:
        cursor = self._cursor
        start = cursor.at
        full_url: object = None
        resources: list[tuple[int, int, object]] = []
        for name in cursor.names():
            value_start = cursor.at
            value = cursor.value()
            if name == "resource":
                resources.append((value_start, cursor.at, value))
            elif name == "fullUrl":
                full_url = value
        if not resources:
            self._report(ProblemKind.NO_RESOURCE, path, start, "the entry has no 'resource'")
            return
        if len(resources) > 1:
            raise NotJson(resources[1][0], "the entry has a second 'resource'")
        resource_start, resource_end, resource = resources[0]
        if not isinstance(resource, dict):
            raise NotJson(resource_start, "'resource' must be an object")
        full_url = full_url if isinstance(full_url, str) else None
        cut = self._cut(f"{path}.resource", resource_start, resource_end, resource, full_url=full_url)
        self._slices.append(cut)

    def _cut(
        self, path: str, start: int, end: int, resource: dict[str, object], *, full_url: str | None
    ) -> ResourceSlice:
        try:
            content = self._cursor.text[start:end].encode()
        except UnicodeEncodeError as error:
            raise NotJson(start + error.start, "this byte is not UTF-8") from None
        place = self._places.find(start)
        resource_type, resource_id = resource.get("resourceType"), resource.get("id")
        return ResourceSlice(
            source=self._source,
            path=path,
            line=place.line,
            start=place.offset,
            content=content,
            resource_type=resource_type if isinstance(resource_type, str) else None,
            resource_id=resource_id if isinstance(resource_id, str) else None,
            full_url=full_url,
        )

    def _report(self, kind: ProblemKind, path: str, at: int, reason: str) -> None:
        place = self._places.find(at)
        problem = Problem(
            source=self._source, kind=kind, path=path, line=place.line, column=place.column, reason=reason
        )
        self._problems.append(problem)

    def _invalid(self, at: int, reason: str) -> InvalidDocument:
        place = self._places.find(at)
        return InvalidDocument(source=self._source, line=place.line, column=place.column, reason=reason)
