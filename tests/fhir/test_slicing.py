"""Records are the bytes of the file: nothing re-serialised, nothing lost, errors with their place."""

import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.fhir.slicing import InvalidDocument, ProblemKind, SlicedDocument, slice_document
from tests.helpers.shared_data import shared_path
from tests.helpers.written_json import SPACES, written_bundles, written_resources


def contents(document: SlicedDocument) -> list[bytes]:
    return [cut.content for cut in document.slices]


def bundle(*entries: str) -> bytes:
    return ('{"resourceType":"Bundle","type":"collection",\n"entry":[' + ",\n".join(entries) + "]}").encode()


def entry(number: int) -> str:
    return f'{{"resource":{{"resourceType":"Basic","id":"{number}"}}}}'


class TestByteExactness:
    """F1, F2: each record is exactly the slice of the file; every entry is one."""

    @given(written_bundles(), st.booleans())
    def test_every_entry_is_the_slice_of_the_file(
        self, written: tuple[str, list[str]], has_bom: bool
    ) -> None:
        text, resources = written
        data = codecs.BOM_UTF8 * has_bom + text.encode()

        document = slice_document("b.json", data)

        assert contents(document) == [resource.encode() for resource in resources]
        assert document.problems == ()
        for cut in document.slices:
            assert data[cut.start : cut.start + len(cut.content)] == cut.content
            assert cut.line == data[: cut.start].count(b"\n") + 1

    @given(written_resources(), SPACES, st.booleans())
    def test_a_single_resource_is_the_top_level_value(self, text: str, space: str, has_bom: bool) -> None:
        data = codecs.BOM_UTF8 * has_bom + f"{space}{text}{space}".encode()

        (cut,) = slice_document("r.json", data).slices

        assert cut.content == text.encode()
        assert (cut.path, cut.resource_type) == ("Basic", "Basic")
        assert cut.start == 3 * has_bom + len(space)

    def test_repeats_are_records_of_their_own(self) -> None:
        document = slice_document("b.json", bundle(entry(1), entry(1), entry(2), entry(1)))

        assert [cut.resource_id for cut in document.slices] == ["1", "1", "2", "1"]
        assert document.slices[3].path == "Bundle.entry[3].resource"

    def test_a_bundle_inside_a_bundle_is_one_record(self) -> None:
        inner = bundle(entry(1), entry(2)).decode()

        (cut,) = slice_document("b.json", bundle(f'{{"resource":{inner}}}')).slices

        assert cut.content == inner.encode()

    def test_other_resources_with_entries_are_one_record(self) -> None:
        text = b'{"entry": [{"item": {"reference": "Patient/1"}}, 5], "resourceType": "List"}'

        (cut,) = slice_document("l.json", text).slices

        assert (cut.content, cut.resource_type) == (text, "List")

    @pytest.mark.parametrize("text", [b'{"resourceType":"Bundle"}', b'{"entry":[ ],"resourceType":"Bundle"}'])
    def test_an_empty_bundle_holds_nothing(self, text: bytes) -> None:
        assert slice_document("b.json", text) == SlicedDocument(source="b.json", slices=(), problems=())


class TestProblems:
    """F3: a broken entry is reported with its place and never loses the others."""

    @pytest.mark.parametrize(
        ("broken", "column", "reason"),
        [
            ('{"resource":{"resourceType":"Basic","n":NaN}}', 41, "NaN is not a JSON number"),
            ('{"resource":{"n":01}}', 19, "expecting ',' delimiter"),
            ('{"resource":{"a":"], {"  "b"}}', 26, "expecting ',' delimiter"),
            ('{"resource":"text"}', 13, "'resource' must be an object"),
            ('{"resource":{},"resource":{}}', 27, "the entry has a second 'resource'"),
            ("null", 1, "expected '{', found 'n'"),
            ("", 1, "expected '{', found ','"),
            ('{"resource":{"a":' + "[" * 200 + "]" * 200 + "}}", 13, "nested deeper than 128 levels"),
        ],
    )
    def test_a_broken_entry_costs_only_itself(self, broken: str, column: int, reason: str) -> None:
        document = slice_document("b.json", bundle(entry(0), broken, entry(2)))

        assert [cut.path for cut in document.slices] == [
            "Bundle.entry[0].resource",
            "Bundle.entry[2].resource",
        ]
        (problem,) = document.problems
        assert (problem.kind, problem.path) == (ProblemKind.BROKEN_ENTRY, "Bundle.entry[1]")
        assert (problem.line, problem.column, problem.reason) == (3, column, reason)

    def test_bytes_that_are_no_utf8_cost_only_their_entry(self) -> None:
        data = bundle(entry(0), '{"resource":{"name":"Zo@"}}', entry(2)).replace(b"@", b"\xeb")

        document = slice_document("b.json", data)

        assert [cut.resource_id for cut in document.slices] == ["0", "2"]
        assert document.slices[1].start == data.index(entry(2).encode()) + len('{"resource":')
        (problem,) = document.problems
        assert (problem.kind, problem.line, problem.column) == (ProblemKind.BROKEN_ENTRY, 3, 24)
        assert problem.reason == "this byte is not UTF-8"

    def test_an_entry_without_resource_is_reported(self) -> None:
        deletion = '{"request":{"method":"DELETE","url":"Patient/1"}}'

        document = slice_document("b.json", bundle(deletion, entry(1)))

        assert [cut.path for cut in document.slices] == ["Bundle.entry[1].resource"]
        assert [problem.kind for problem in document.problems] == [ProblemKind.NO_RESOURCE]
        assert (
            str(document.problems[0])
            == "b.json: line 2, column 10: Bundle.entry[0]: the entry has no 'resource'"
        )

    def test_a_truncated_bundle_gives_what_stands_before_the_end(self) -> None:
        document = slice_document("b.json", bundle(entry(0), entry(1), entry(2))[:-20])

        assert [cut.resource_id for cut in document.slices] == ["0", "1"]
        assert [p.kind for p in document.problems] == [ProblemKind.BROKEN_ENTRY, ProblemKind.BROKEN_DOCUMENT]
        assert (document.problems[1].line, document.problems[1].column) == (4, 1)

    def test_what_follows_the_bundle_is_reported(self) -> None:
        document = slice_document("b.json", bundle(entry(0)) + b"\n{}")

        assert len(document.slices) == 1
        assert [p.reason for p in document.problems] == [
            "another document begins here, as in NDJSON; give each document in a file of its own"
        ]

    def test_entries_of_a_second_list_are_cut_and_reported(self) -> None:
        data = (
            b'{"resourceType":"Bundle","entry":['
            + entry(0).encode()
            + b'],"entry":['
            + entry(1).encode()
            + b"]}"
        )

        document = slice_document("b.json", data)

        assert [cut.resource_id for cut in document.slices] == ["0", "1"]
        assert [p.kind for p in document.problems] == [ProblemKind.REPEATED_ENTRY]

    @given(st.data())
    def test_any_damage_is_an_error_or_a_problem_and_never_a_made_up_record(
        self, data: st.DataObject
    ) -> None:
        """Whatever one byte becomes: each record is JSON and in the file, and nothing else is raised."""
        text = bytearray(bundle(*(entry(number) for number in range(3))))
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))

        try:
            document = slice_document("b.json", bytes(text))
        except InvalidDocument:
            return

        for cut in document.slices:
            assert isinstance(json.loads(cut.content), dict)
            assert text[cut.start : cut.start + len(cut.content)] == cut.content


class TestInvalidDocument:
    @pytest.mark.parametrize(
        ("data", "line", "column", "reason"),
        [
            (b"", 1, 1, "expected '{', found the end"),
            (b"[]", 1, 1, "expected '{', found '['"),
            (b'{"resourceType":\n  "Basic",\n  "n": 1.}', 3, 9, "expecting ',' delimiter"),
            (b'{"resourceType":"Basic"} {}', 1, 26, "expected the end of the file"),
            (
                b'{"resourceType":"Basic"}\n{"resourceType":"Basic"}\n',
                2,
                1,
                "another document begins here, as in NDJSON; give each document in a file of its own",
            ),
            (b'\n{"name": "package"}', 2, 1, "no 'resourceType': this is no FHIR resource"),
            (b'{"resourceType":"Basic","x":"\xeb"}', 1, 30, "this byte is not UTF-8"),
            ("{}".encode("utf-16"), 1, 1, "the file is UTF-16; FHIR's JSON is UTF-8"),
        ],
    )
    def test_names_file_line_and_column(self, data: bytes, line: int, column: int, reason: str) -> None:
        with pytest.raises(InvalidDocument) as caught:
            slice_document("some/file.json", data)

        assert str(caught.value) == f"some/file.json: line {line}, column {column}: {reason}"
        assert (caught.value.source, caught.value.line) == ("some/file.json", line)

    def test_the_size_limit_is_checked_before_anything_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.fhir.slicing.DOCUMENT_BYTES_MAX", 10)

        with pytest.raises(InvalidDocument, match="larger than 10 bytes"):
            slice_document("b.json", b" " * 11)


class TestPublishedData:
    def test_all_of_synthea_byte_for_byte(self) -> None:
        assert sum(self._check(path) for path in sorted(shared_path("synthea-r4").glob("*.json"))) == 1722

    def test_all_of_the_official_examples_byte_for_byte(self) -> None:
        paths = [
            path for path in shared_path("fhir-r4-examples").glob("*.json") if path.name != "package.json"
        ]

        assert all(self._check(path) >= 0 for path in paths)

    def test_the_byte_fidelity_trap(self) -> None:
        data = (shared_path("fhir-r4-examples") / "Observation-decimal.json").read_bytes()

        (cut,) = slice_document("Observation-decimal.json", data).slices

        assert cut.content == data.strip()
        assert b"-1.000000000000000000E+245" in cut.content

    @staticmethod
    def _check(path: Path) -> int:
        data = path.read_bytes()
        document = slice_document(path.name, data)
        whole = json.loads(data, parse_float=str)
        is_bundle = whole["resourceType"] == "Bundle"
        expected = (
            [e["resource"] for e in whole.get("entry", []) if "resource" in e] if is_bundle else [whole]
        )

        assert [json.loads(content, parse_float=str) for content in contents(document)] == expected
        assert all(data[c.start : c.start + len(c.content)] == c.content for c in document.slices)
        assert {problem.kind for problem in document.problems} <= {ProblemKind.NO_RESOURCE}
        return len(document.slices)
