"""The command line on four real nodes: what patients may demand, and how custodians answer for it."""

from pathlib import Path

import pytest

from tests.helpers.command import Captured, complaint, told
from tests.helpers.consortium import Consortium, ask, grant

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]


class TestErasure:
    def test_every_holder_destroys_and_attests(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        """L85–L87, B6."""
        name, north, south = record["record"], consortium.north, consortium.south
        consent = grant(consortium, capsys, record)
        request, unread = (ask(consortium, capsys, record, "--consent", consent) for _ in range(2))
        for each in (request, unread):
            told(capsys, "access", "release", each, "--home", north)
        consortium.agree()
        told(capsys, "record", "get", name, "--request", request, "--out", tmp_path / "out", "--home", south)
        consortium.agree()
        fetched = [path for path in (south / "fetched").glob("??/*") if path.is_file()]
        assert fetched
        assert (south / "tickets" / f"{unread}.sealed").exists()

        early = complaint(capsys, "erasure", "carry-out", name, "--home", north, code=1)
        assert "there is no erasure" in early
        demanded = told(capsys, "erasure", "demand", name, "--home", north)
        assert set(demanded["owing"]) == {consortium.ids[north], consortium.ids[south]}
        consortium.agree()
        assert not told(capsys, "record", "get", name, "--out", tmp_path / "still", "--home", north)["height"]
        assert told(capsys, "erasure", "carry-out", name, "--home", north)["versions"] == 1
        consortium.agree()
        assert told(capsys, "erasure", "carry-out", name, "--home", south)["versions"] == 0
        consortium.agree()

        gone = complaint(capsys, "record", "get", name, "--out", tmp_path / "no", "--home", north, code=1)
        assert "was erased" in gone
        assert not [path for path in fetched if path.exists()]
        assert not (south / "tickets" / f"{unread}.sealed").exists()
        listed = told(capsys, "erasure", "list", "--patient", record["patient"], "--home", consortium.lab)
        (row,) = [each["value"] for each in listed["erasures"] if each["id"] == name]
        assert (row["owing"], set(row["attested"])) == ([], set(demanded["owing"]))
        again = complaint(capsys, "erasure", "carry-out", name, "--home", south, code=1)
        assert "has attested already" in again

    def test_only_the_patient_demands_it(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        refused = complaint(capsys, "erasure", "demand", record["record"], "--home", consortium.south, code=3)

        assert "has no wallet of patient" in refused


class TestWithdrawal:
    def test_a_record_entered_in_error_stays_visible(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        """L36."""
        told(
            capsys, "record", "withdraw", record["record"], "--reason", "wrong_patient",
            "--home", consortium.north,
        )  # fmt: skip

        value = told(capsys, "query", "entry", "records", record["record"], "--home", consortium.north)[
            "value"
        ]
        assert (value["status"], value["withdrawn"]) == ("withdrawn", "wrong_patient")
        assert "'lost' is no reason" in complaint(
            capsys, "record", "withdraw", record["record"], "--reason", "lost", "--home", consortium.north, code=2
        )  # fmt: skip


class TestEmergencyOver:
    def test_an_opening_is_closed_by_those_who_opened_it(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        """L72."""
        opening = told(
            capsys, "breakglass", "open", "--patient", record["patient"], "--reason", "unconscious",
            "--actor", "dr-south", "--home", consortium.south,
        )["opening"]  # fmt: skip
        told(capsys, "breakglass", "close", opening, "--home", consortium.south)

        denied = told(
            capsys, "access", "request", record["record"], "--opening", opening, "--actor", "dr-south",
            "--purpose", "etreat", "--home", consortium.south, code=1,
        )  # fmt: skip
        assert denied["decided_by"] == "emergency/closed"
