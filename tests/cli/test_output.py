"""Results are read by people or by programs, never half by both."""

import json
import os

import click
import pytest

from noded.cli.output import Output, cell, members, table
from noded.cli.parsing import assignments, enum_members, hexadecimal, seconds
from noded.types.roles import Role


class TestOutput:
    def test_json_is_one_object_on_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        output = Output()
        output.is_json = True

        output.progress("working")
        output.show({"name": "Zoë", "lines": "a\nb"})

        captured = capsys.readouterr()
        assert json.loads(captured.out) == {"name": "Zoë", "lines": "a\nb"}
        assert captured.out.count("\n") == 1
        assert captured.err == "working\n"

    @pytest.mark.parametrize("is_json", [True, False])
    def test_a_files_name_that_is_no_utf8_is_told(
        self, capsys: pytest.CaptureFixture[str], is_json: bool
    ) -> None:
        output = Output()
        output.is_json = is_json
        name = os.fsdecode(b"M\xfcller.json")

        output.show({"source": name})

        shown = capsys.readouterr().out
        assert r"M\udcfcller.json" in shown
        if is_json:
            assert json.loads(shown) == {"source": name}

    def test_people_get_the_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        Output().show({"a": 1}, lambda data: f"a is {data['a']}")

        assert capsys.readouterr().out == "a is 1\n"

    def test_a_failure_after_the_result_adds_nothing_to_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        output = Output()
        output.is_json = True
        output.show({"a": 1})

        output.failed({"name": "X"}, "why")

        captured = capsys.readouterr()
        assert captured.out == '{"a":1}\n'
        assert captured.err == "error: why\n"


def test_tables_align_text_left_and_numbers_right() -> None:
    text = table(("name", "n"), [("a", 5), ("long", 12345)])

    assert text == "name      n\na         5\nlong  12345"


def test_an_empty_table_has_its_heads() -> None:
    assert table(("name", "n"), []) == "name  n"


def test_times_are_dated_and_durations_are_not() -> None:
    """Nobody agrees to an end that is a number of milliseconds."""
    said = members({"until_ms": 1_798_565_958_250, "review_ms": 259_200_000, "since": 2_000_000_000_000})

    assert said.splitlines() == [
        "until_ms   1798565958250 (2026-12-29 17:39 UTC)",
        "review_ms  259200000",
        "since      2000000000000",
    ]


def test_members_align() -> None:
    assert members({"a": 1, "longer": None}) == "a       1\nlonger  -"
    assert members({}) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (1.25, "1.2"),
        ([], "-"),
        (["a", 1], "a, 1"),
        ({"k": None}, "k -"),
        ("x", "x"),
        (0, "0"),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("1w", 604_800)],
    )
    def test_times(self, text: str, expected: int) -> None:
        assert seconds(text) == expected

    @pytest.mark.parametrize("text", ["", "5", "0d", "-1d", "1y", "1.5h", "99999999d", "1d "])
    def test_other_times_are_usage(self, text: str) -> None:
        with pytest.raises(click.UsageError):
            seconds(text)

    @pytest.mark.parametrize("text", ["", "ab" * 15, "ab" * 17, "zz" * 16])
    def test_other_ids_are_usage(self, text: str) -> None:
        with pytest.raises(click.UsageError, match="32 hexadecimal digits"):
            hexadecimal(text, "an id")

    def test_members_of_enums_are_each_once_and_in_order(self) -> None:
        assert enum_members(Role, ["LAB", "hospital", "lab"], "role") == (Role.HOSPITAL, Role.LAB)

    def test_an_unknown_member_names_those_known(self) -> None:
        with pytest.raises(click.UsageError, match="'clinic' is no role; known are hospital"):
            enum_members(Role, ["clinic"], "role")

    def test_assignments(self) -> None:
        assert assignments(["a=1", "b = x=y", "a=2"]) == {"a": "2", "b": "x=y"}
        with pytest.raises(click.UsageError):
            assignments(["a"])
