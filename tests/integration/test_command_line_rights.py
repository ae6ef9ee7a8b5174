"""The command line on four real nodes: what patients may demand, and how custodians answer for it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.helpers.command import Captured, complaint, said, told
from tests.helpers.consortium import Consortium, ask, grant, import_new_patient, read_own_record

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]


@pytest.fixture
def record(consortium: Consortium, tmp_path: Path, capsys: Captured) -> dict[str, str]:
    """A small record of a new patient, imported for this test."""
    return import_new_patient(consortium, capsys, tmp_path)


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
        proof = tmp_path / "proof"
        told(capsys, "proof", "export", "erasure", name, "--out", proof, "--home", consortium.lab)
        shown = told(capsys, "proof", "verify", proof, "--chain-id", consortium.genesis.chain_id.hex())
        assert (shown["kind"], shown["id"], shown["value"]) == ("erasure", name, row)
        again = complaint(capsys, "erasure", "carry-out", name, "--home", south, code=1)
        assert "has attested already" in again

    def test_only_the_patient_demands_it(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        refused = complaint(capsys, "erasure", "demand", record["record"], "--home", consortium.south, code=3)

        assert "has no wallet of patient" in refused


class TestAmendment:
    def test_a_correction_is_what_is_read_from_then_on_and_the_first_version_stays(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        """L35."""
        name, north = record["record"], ("--home", str(consortium.north))
        first = Path(record["source"]).read_bytes()
        corrected = first.replace(b"{", b'{ "gender":  "other",')
        path = tmp_path / "corrected.json"
        path.write_bytes(corrected + b"\n")
        amend = ("record", "amend", name, path, "--reason", "correction")

        assert "keeps it" in complaint(capsys, *amend, "--home", consortium.south, code=1)
        assert told(capsys, *amend, *north)["version"] == 2
        consortium.agree()

        request = ask(consortium, capsys, record, "--consent", grant(consortium, capsys, record))
        told(capsys, "access", "release", request, *north)
        consortium.agree()
        told(
            capsys, "record", "get", name, "--request", request, "--out", tmp_path / "theirs",
            "--home", consortium.south,
        )  # fmt: skip
        told(capsys, "record", "get", name, "--out", tmp_path / "own", *north)
        told(capsys, "record", "get", name, "--version", 1, "--out", tmp_path / "old", *north)
        assert [(tmp_path / each).read_bytes() for each in ("theirs", "own", "old")] == [
            corrected,
            corrected,
            first,
        ]

    def test_a_file_of_two_records_is_no_version_of_one(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "two.json"
        entry = '{"resource": {"resourceType": "Basic"}}'
        path.write_text(f'{{"resourceType": "Bundle", "type": "collection", "entry": [{entry}, {entry}]}}')

        given = ("record", "amend", record["record"], path, "--reason", "correction")
        assert "has 2 records" in complaint(capsys, *given, "--home", consortium.north, code=1)


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


class TestOwnRecord:
    def test_a_patient_gets_the_very_bytes_from_the_custodian(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        """L50, L51, L56: without a consent, under the patient's key, receipt included."""
        north = ("--home", str(consortium.north))

        content = read_own_record(capsys, record, tmp_path / "own", (), north)

        assert content == Path(record["source"]).read_bytes()
        (line,) = told(capsys, "access", "log", "--record", record["record"], *north)["requests"]
        value = line["value"]
        assert (value["institution"], value["actor"], value["path"]) == (None, None, "own")
        assert (value["purpose"], value["status"]) == ("patrqt", "read")

    def test_one_request_brings_all_of_a_compartment(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        """L45, L56: of a patient whose wallet is not here, and of what was imported later."""
        patient, north = record["patient"], ("--home", str(consortium.north))
        sealed = ("--wallet", str(tmp_path / "taken"), "--passphrase-file", str(tmp_path / "passphrase"))
        (tmp_path / "passphrase").write_text("correct horse\n")
        (tmp_path / "passphrase").chmod(0o600)
        told(capsys, "patient", "export", patient, "--out", *sealed[1:], *north)
        told(capsys, "patient", "forget", patient, *sealed, *north)
        own = ("access", "request", "--own", "--patient", patient, *sealed, *north)
        request = told(capsys, *own)["request"]
        told(capsys, "access", "release", request, *north)
        (later,) = told(capsys, "fhir", "import", record["source"], *north)["records"]

        for number, name in enumerate((record["record"], later["record"])):
            out = tmp_path / f"own{number}"
            told(capsys, "record", "get", name, "--request", request, "--out", out, *sealed, *north)
            assert out.read_bytes() == Path(record["source"]).read_bytes()

        (line,) = told(capsys, "access", "log", "--patient", patient, *north)["requests"]
        assert (line["id"], line["value"]["path"], line["value"]["status"]) == (request, "own", "read")

    def test_it_is_asked_for_where_it_is_kept(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        for asked_for in ((record["record"],), ("--patient", record["patient"])):
            asking = ("access", "request", *asked_for, "--own", "--home", consortium.south)

            assert f"kept by member {consortium.ids[consortium.north]}" in complaint(capsys, *asking, code=1)


class TestWhoReadWhat:
    def test_lists_name_who_what_and_when(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        """Nobody has to look up ids to see who read which record when."""
        patient, north = record["patient"], ("--home", consortium.north)
        consent = grant(consortium, capsys, record, "--kind", "document", "--standing")
        ask(consortium, capsys, record, "--consent", consent)
        told(capsys, "access", "request", "--own", "--patient", patient, *north)
        opening = ("breakglass", "open", "--patient", patient, "--reason", "unconscious", "--actor", "x")
        told(capsys, *opening, "--home", consortium.south)
        consortium.agree()

        consents, log, openings = (
            said(capsys, *each, "--patient", patient, *north).splitlines()
            for each in (("consent", "list"), ("access", "log"), ("breakglass", "list"))
        )

        assert "Hospital South" in consents[1]
        assert consents[1].endswith("standing")
        assert datetime.now(UTC).strftime(" %Y-%m-") in log[1]
        assert "Hospital South" in log[1]
        assert f"record {record['record']}, version 1" in log[1]
        assert "the patient" in log[2]
        assert "compartment 0" in log[2]
        assert "Hospital South" in openings[1]

    @pytest.mark.parametrize(
        "asking",
        [
            ("access", "log", "--patient"),
            ("access", "log", "--record"),
            ("consent", "list", "--patient"),
            ("record", "list", "--patient"),
            ("delegate", "list"),
        ],
    )
    def test_of_an_id_that_is_nobodys_no_list_says_that_nothing_happened(
        self, consortium: Consortium, capsys: Captured, asking: tuple[str, ...]
    ) -> None:
        mistyped = complaint(capsys, *asking, "7" * 32, "--home", consortium.north, code=1)
        assert f"there is no {'record' if '--record' in asking else 'patient'} {'7' * 32}" in mistyped


class TestConsentAmended:
    def test_what_no_option_names_stays(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        """L41."""
        home = ("--home", str(consortium.north))
        consent = grant(consortium, capsys, record, "--purpose", "hpaymt", "--record", record["record"])
        entry = ("query", "entry", "consents", consent, *home)
        before = told(capsys, *entry)["value"]["terms"]
        asking = ("access", "request", record["record"], "--consent", consent, "--actor", "x")
        denied = told(capsys, *asking, "--home", consortium.south, code=1)
        assert denied["decided_by"] == "consent/purposes"

        amended = told(capsys, "consent", "amend", consent, "--purpose", "treat", "--for", "1d", *home)
        consortium.agree()

        now = told(capsys, *entry)["value"]
        assert (now["version"], amended["version"]) == (2, 2)
        changed = {"purposes": ["treat"], "until_ms": amended["until_ms"]}
        assert now["terms"] == {**before, **changed} != before
        ask(consortium, capsys, record, "--consent", consent)
        told(capsys, "consent", "revoke", consent, *home)
        assert "Ended" in complaint(capsys, "consent", "amend", consent, "--for", "2d", *home, code=1)


class TestGroups:
    def test_a_consent_to_a_group_reaches_who_was_in_it_and_stays(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        """L25, L43."""
        north, lab, insurer = (
            consortium.ids[each] for each in (consortium.north, consortium.lab, consortium.insurer)
        )
        home = ("--home", str(consortium.north))
        group = told(capsys, "group", "create", lab, consortium.ids[consortium.south], *home)["group"]
        granted = told(
            capsys, "consent", "grant", "--patient", record["patient"], "--to-group", group, *home
        )  # fmt: skip
        changed = told(capsys, "group", "update", group, "--add", insurer, "--remove", lab, *home)
        assert (changed["version"], changed["members"]) == (
            2,
            sorted([insurer, consortium.ids[consortium.south]]),
        )
        (listed,) = [
            each["value"] for each in told(capsys, "group", "list", *home)["groups"] if each["id"] == group
        ]
        assert (listed["owner"], listed["version"]) == (north, 2)
        consortium.agree()

        ask(consortium, capsys, record, "--consent", granted["consent"])
        for outside in (consortium.lab, consortium.insurer):
            asked = told(
                capsys, "access", "request", record["record"], "--consent", granted["consent"], "--actor", "x",
                "--home", outside, code=1,
            )  # fmt: skip
            assert asked["decided_by"] == "consent/grantee"
        assert "is not in group" in complaint(
            capsys, "group", "update", group, "--remove", lab, *home, code=2
        )


class TestMembers:
    def test_a_new_address_and_name_are_known_to_all(self, consortium: Consortium, capsys: Captured) -> None:
        """L102: what is not named stays."""
        insurer = ("--home", str(consortium.insurer))
        before = told(
            capsys, "query", "entry", "institutions", consortium.ids[consortium.insurer], *insurer
        )["value"]["institution"]  # fmt: skip

        told(capsys, "member", "update", "--name", "Renamed Insurer", *insurer)
        moved = [*before["endpoints"], "[::1]:9470"]
        options = [part for each in moved for part in ("--address", each)]
        done = told(capsys, "member", "update", *options, *insurer)

        consortium.agree()
        seen = told(
            capsys, "query", "entry", "institutions", done["institution"], "--home", consortium.north
        )["value"]["institution"]  # fmt: skip
        assert seen == {**before, "legal_name": "Renamed Insurer", "endpoints": moved}

    def test_a_member_suspends_itself_only_and_the_others_end_it(
        self, consortium: Consortium, capsys: Captured
    ) -> None:
        """L103."""
        insurer, lab = consortium.ids[consortium.insurer], ("--home", str(consortium.lab))
        suspending = ("member", "suspend", insurer, "--reason", "a key was stolen")
        assert "NotEntitled" in complaint(capsys, *suspending, *lab, code=1)

        told(capsys, *suspending, "--home", consortium.insurer)

        consortium.agree()
        entry = ("query", "entry", "institutions", insurer, *lab)
        assert told(capsys, *entry)["value"]["status"] == "suspended"
        update = ("member", "update", "--name", "x", "--home", consortium.insurer)
        assert "org.update" in complaint(capsys, *update, code=1)
        proposal = told(capsys, "vote", "propose", "reinstate", insurer[:12], *lab)["id"]
        consortium.agree()
        for home in (consortium.north, consortium.south):
            told(capsys, "vote", "yes", proposal, "--home", home)
            consortium.agree()
        assert told(capsys, *entry)["value"]["status"] == "member"
