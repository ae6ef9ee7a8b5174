"""The command line on four real nodes: a record's way from a file to another institution, and who is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noded.ops.desk import Desk
from noded.types.medical import GroupId
from noded.types.operations.identity import GroupCreate
from tests.helpers.command import Captured, complaint, printed, said, told
from tests.helpers.consortium import SAMPLES, Consortium, ask, ask_for, grant
from tests.helpers.shared_data import shared_path

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]


def pending(consortium: Consortium, capsys: Captured) -> list[str]:
    waiting = told(capsys, "access", "pending", "--home", consortium.north)["requests"]
    return [each["id"] for each in waiting]


class TestImport:
    def test_every_entry_is_a_record_and_its_bytes_are_the_files(
        self, consortium: Consortium, tmp_path: Path, capsys: Captured
    ) -> None:
        done = told(capsys, "fhir", "import", SAMPLES, "--home", consortium.north)

        assert (len(done["records"]), len(done["without_resource"]), done["problems"]) == (63, 1, [])
        for number, each in enumerate(done["records"][::7]):
            out = tmp_path / str(number)
            told(capsys, "record", "get", each["record"], "--out", out, "--home", consortium.north)
            content = out.read_bytes()
            assert len(content) == each["bytes"]
            assert content in Path(each["source"]).read_bytes()

    def test_a_trap_for_decimals_keeps_its_bytes(
        self, consortium: Consortium, tmp_path: Path, capsys: Captured
    ) -> None:
        source = shared_path("fhir-r4-examples/Observation-decimal.json")

        done = told(capsys, "fhir", "import", source, "--home", consortium.north)

        (each,) = done["records"]
        told(capsys, "record", "get", each["record"], "--out", tmp_path / "out", "--home", consortium.north)
        assert (tmp_path / "out").read_bytes() == source.read_bytes().strip()

    def test_a_broken_file_stops_no_other(
        self, consortium: Consortium, tmp_path: Path, capsys: Captured
    ) -> None:
        (tmp_path / "a.json").write_text("{")
        (tmp_path / "b.json").write_text('{"resourceType": "Basic", "code": {"text": "x"}}')

        done = told(capsys, "fhir", "import", tmp_path, "--home", consortium.north, code=1)

        assert len(done["records"]) == 1
        assert "a.json" in done["problems"][0]

    def test_a_finding_is_a_warning(self, consortium: Consortium, tmp_path: Path, capsys: Captured) -> None:
        path = tmp_path / "odd.json"
        path.write_text('{"resourceType": "Observation", "status": 5}')

        done = told(capsys, "fhir", "import", path, "--home", consortium.north)

        assert len(done["records"]) == 1
        assert any("odd.json" in warning for warning in done["warnings"])

    def test_a_patient_is_registered_once(self, consortium: Consortium, capsys: Captured) -> None:
        path = SAMPLES / "li-yangben.json"
        first, second = (told(capsys, "fhir", "import", path, "--home", consortium.north) for _ in range(2))

        assert second["new_patients"] == 0
        patients = [{each["patient"] for each in done["records"]} for done in (first, second)]
        assert patients[0] == patients[1]

    def test_several_imports_at_once_register_all_their_records_and_each_patient_once(
        self, consortium: Consortium, tmp_path: Path
    ) -> None:
        """O9, L4: they draw on one account, and name the same patients."""
        command = ("fhir", "import", str(SAMPLES), "--compartment", "1", "--home", str(consortium.north))
        with ThreadPoolExecutor(3) as pool:
            running = [pool.submit(printed, tmp_path, *command) for _ in range(3)]
            all_done = [each.result() for each in running]

        assert [len(done["records"]) for done in all_done] == [63, 63, 63]
        patients = [{each["patient"] for each in done["records"]} for done in all_done]
        assert patients[0] == patients[1] == patients[2]

    def test_two_commands_that_send_the_very_same_transaction_both_hear_what_became_of_it(
        self, consortium: Consortium
    ) -> None:
        with Desk(consortium.north) as desk:
            members = tuple(sorted(node.institution.id for node in consortium.nodes))
            signed = desk.sign(GroupCreate(group=GroupId(desk.new_id()), members=members))
            first, second = desk.see_through(signed), desk.see_through(signed)

        assert (first.refused, second.refused) == (None, "AlreadyKnown")
        assert (second.height, second.is_applied) == (first.height, True)


class TestSharing:
    def test_under_consent_the_other_hospital_gets_the_very_bytes(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        request = ask(consortium, capsys, record, "--consent", grant(consortium, capsys, record))
        assert request in pending(consortium, capsys)
        told(capsys, "access", "release", request, "--home", consortium.north)
        assert request not in pending(consortium, capsys)
        consortium.agree()

        out = tmp_path / "out"
        told(
            capsys, "record", "get", record["record"], "--request", request, "--out", out,
            "--home", consortium.south,
        )  # fmt: skip

        consortium.agree()
        content = out.read_bytes()
        assert content in Path(record["source"]).read_bytes()
        assert len(content) == int(record["bytes"])
        log = told(
            capsys, "access", "log", "--patient", record["patient"], "--disclosed", "--home", consortium.lab
        )
        assert {each["id"]: each["value"]["status"] for each in log["requests"]}[request] == "read"
        used = complaint(
            capsys, "record", "get", record["record"], "--request", request, "--out", tmp_path / "again",
            "--home", consortium.south, code=3,
        )  # fmt: skip
        assert "ask again" in used

    def test_whoever_is_no_grantee_is_refused_by_that_name(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        consent = grant(consortium, capsys, record)

        asked = told(
            capsys, "access", "request", record["record"], "--consent", consent, "--actor", "clerk",
            "--purpose", "hpaymt", "--home", consortium.insurer, code=1,
        )  # fmt: skip

        assert (asked["status"], asked["decided_by"]) == ("denied", "consent/grantee")

    def test_another_purpose_is_refused_by_that_name(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        consent = grant(consortium, capsys, record)

        asked = told(
            capsys, "access", "request", record["record"], "--consent", consent, "--actor", "x",
            "--purpose", "hresch", "--home", consortium.south, code=1,
        )  # fmt: skip

        assert asked["decided_by"] == "consent/purposes"

    def test_a_condition_that_fails_is_named_down_to_its_leaf(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "condition.json"
        path.write_text(
            json.dumps({"type": "all", "of": [{"type": "jurisdiction_in", "jurisdictions": ["DE"]}]})
        )
        consent = grant(consortium, capsys, record, "--condition", str(path))

        asked = told(
            capsys, "access", "request", record["record"], "--consent", consent, "--actor", "x",
            "--home", consortium.south, code=1,
        )  # fmt: skip

        assert asked["decided_by"] == "consent/condition/all[0]/jurisdiction"

    def test_after_revocation_nobody_gets_a_permit_or_a_release(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        consent = grant(consortium, capsys, record)
        before = ask(consortium, capsys, record, "--consent", consent)
        told(capsys, "consent", "revoke", consent, "--home", consortium.north)
        consortium.agree()

        asked = told(
            capsys, "access", "request", record["record"], "--consent", consent, "--actor", "x",
            "--home", consortium.south, code=1,
        )  # fmt: skip
        assert asked["decided_by"] == "consent/revoked"
        complaint(capsys, "access", "release", before, "--home", consortium.north, code=1)

    def test_only_the_custodian_releases(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        request = ask(consortium, capsys, record, "--consent", grant(consortium, capsys, record))

        error = complaint(capsys, "access", "release", request, "--home", consortium.lab, code=1)

        assert "does not wait for this institution" in error

    def test_a_patient_who_took_the_wallet_along_still_decides(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        passphrase, wallet = tmp_path / "passphrase", tmp_path / "wallet"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        options = ("--passphrase-file", str(passphrase))
        told(
            capsys, "patient", "export", record["patient"], "--out", wallet, *options,
            "--home", consortium.north,
        )  # fmt: skip
        granted = told(
            capsys, "consent", "grant", "--patient", record["patient"], "--to", consortium.ids[consortium.south],
            "--wallet", wallet, *options, "--home", consortium.north,
        )  # fmt: skip

        listed = told(
            capsys, "consent", "list", "--patient", record["patient"], "--at-least", granted["height"],
            "--home", consortium.south,
        )  # fmt: skip
        consent = granted["consent"]
        assert consent in [each["id"] for each in listed["consents"]]


class TestStandingConsent:
    def test_one_release_opens_every_record_of_the_compartment_until_the_consent_ends(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        consent = grant(consortium, capsys, record, "--standing")
        patient = ("--patient", record["patient"])
        request = ask_for(consortium, capsys, *patient, "--consent", consent)
        told(capsys, "access", "release", request, "--home", consortium.north)
        consortium.agree()
        later = told(
            capsys, "fhir", "import", SAMPLES / "zoe-muster.json", "--home", consortium.north
        )["records"]  # fmt: skip
        consortium.agree()
        records = [record, *(each for each in later if each["patient"] == record["patient"])][:4]

        for number, each in enumerate(records):
            out = tmp_path / str(number)
            told(
                capsys, "record", "get", each["record"], "--request", request, "--out", out,
                "--home", consortium.south,
            )  # fmt: skip
            content = out.read_bytes()
            assert len(content) == int(each["bytes"])
            assert content in Path(each["source"]).read_bytes()

        assert len(records) == 4
        consortium.agree()
        log = told(capsys, "access", "log", *patient, "--disclosed", "--home", consortium.lab)
        assert {each["id"]: each["value"]["status"] for each in log["requests"]}[request] == "read"
        ended = told(capsys, "consent", "revoke", consent, "--home", consortium.north)
        assert ended["keys_still_out"] == [0]
        consortium.agree()
        refused = complaint(
            capsys, "record", "get", record["record"], "--request", request, "--out", tmp_path / "late",
            "--home", consortium.south, code=1,
        )  # fmt: skip
        assert "does not let this institution" in refused

    def test_what_came_under_a_later_key_is_asked_for_again(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        """L46: a new epoch closes what comes, and its key opens what was there."""
        consent = grant(consortium, capsys, record, "--standing")
        patient = ("--patient", record["patient"])
        first = ask_for(consortium, capsys, *patient, "--consent", consent)
        told(capsys, "access", "release", first, "--home", consortium.north)
        begun = told(capsys, "patient", "new-key", record["patient"], "--home", consortium.north)
        imported = told(capsys, "fhir", "import", SAMPLES / "zoe-muster.json", "--home", consortium.north)
        late = next(each for each in imported["records"] if each["patient"] == record["patient"])
        consortium.agree()
        get = ("record", "get", "--home", consortium.south)

        told(capsys, *get, record["record"], "--request", first, "--out", tmp_path / "early")
        refused = complaint(
            capsys, *get, late["record"], "--request", first, "--out", tmp_path / "late", code=1
        )

        assert "ask for the compartment again" in refused
        assert f"came under key {begun['epoch']}" in refused
        second = ask_for(consortium, capsys, *patient, "--consent", consent)
        told(capsys, "access", "release", second, "--home", consortium.north)
        consortium.agree()
        for name, each in (("late", late), ("again", record)):
            told(capsys, *get, each["record"], "--request", second, "--out", tmp_path / name)
            assert (tmp_path / name).read_bytes() in Path(each["source"]).read_bytes()

    def test_a_consent_for_each_receipt_gives_no_compartment(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        """L45."""
        asked = told(
            capsys, "access", "request", "--patient", record["patient"], "--actor", "dr-south",
            "--consent", grant(consortium, capsys, record), "--home", consortium.south, code=1,
        )  # fmt: skip

        assert asked["decided_by"] == "consent/mode"


class TestResearch:
    def test_terms_of_use_are_matched_with_what_is_declared(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        path, project = tmp_path / "terms.json", "0b" * 16
        path.write_text(said(capsys, "condition", "duo", "GRU", "NPU", f"PS={project}"))
        consent = grant(consortium, capsys, record, "--condition", str(path), "--purpose", "hresch")
        asking = (record["record"], "--consent", consent, "--purpose", "hresch")

        asked = told(
            capsys, "access", "request", *asking, "--actor", "x", "--tag", project, "--home", consortium.south,
            code=1,
        )  # fmt: skip

        assert asked["decided_by"] == "consent/condition/all[1]/use"
        ask_for(consortium, capsys, *asking, "--tag", project, "--use", "not_for_profit")


class TestEmergency:
    def test_works_without_the_patient_and_is_reviewed_by_somebody_else(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        opened = told(
            capsys, "breakglass", "open", "--patient", record["patient"], "--reason", "unconscious",
            "--actor", "dr-south", "--home", consortium.south,
        )  # fmt: skip
        consortium.agree()
        opening = opened["opening"]
        request = ask(consortium, capsys, record, "--opening", opening, "--purpose", "etreat")
        told(capsys, "access", "release", request, "--home", consortium.north)
        consortium.agree()
        told(
            capsys, "record", "get", record["record"], "--request", request, "--out", tmp_path / "out",
            "--home", consortium.south,
        )  # fmt: skip
        assert (tmp_path / "out").read_bytes() in Path(record["source"]).read_bytes()

        own = ("breakglass", "review", opening, "--verdict", "justified", "--actor", "head")
        assert "NotAReviewer" in complaint(capsys, *own, "--home", consortium.south, code=1)
        told(capsys, *own, "--home", consortium.north)
        consortium.agree()

        listed = told(capsys, "breakglass", "list", "--patient", record["patient"], "--home", consortium.lab)
        (row,) = [each["value"] for each in listed["openings"] if each["id"] == opening]
        assert row["review"]["verdict"] == "justified"
        assert row["review_due_ms"] == opened["review_due_ms"] > row["opened_ms"]


class TestProofs:
    def test_a_consent_is_proven_active_and_later_not(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        consent = grant(consortium, capsys, record)
        chain_id = consortium.genesis.chain_id.hex()
        active = []
        for number in range(2):
            path = tmp_path / str(number)
            told(capsys, "proof", "export", "consent", consent, "--out", path, "--home", consortium.lab)
            verify = ("proof", "verify", path, "--chain-id", chain_id, "--home", tmp_path)
            active.append(told(capsys, *verify)["active"])
            if number == 0:
                told(capsys, "consent", "revoke", consent, "--home", consortium.north)
                consortium.agree()

        assert active == [True, False]

    def test_a_record_is_proven_anchored(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "proof"
        told(capsys, "proof", "export", "record", record["record"], "--out", path, "--home", consortium.south)

        shown = told(capsys, "proof", "verify", path, "--genesis", consortium.lab / "genesis.cbor")

        assert (shown["kind"], shown["id"], shown["exists"]) == ("record", record["record"], True)
        assert shown["anchored_at"] <= shown["height"]

    def test_what_is_not_there_is_proven_absent(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "proof"
        told(capsys, "proof", "export", "record", "00" * 16, "--out", path, "--home", consortium.south)

        assert not told(capsys, "proof", "verify", path, "--home", consortium.south)["exists"]


class TestLedger:
    def test_operations_are_sent_from_a_file(
        self, consortium: Consortium, tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "operation.json"
        members = sorted([consortium.ids[consortium.south], consortium.ids[consortium.lab]])
        path.write_text(json.dumps({"type": "group.create", "group": "ab" * 16, "members": members}))

        sent = told(capsys, "tx", "send", path, "--home", consortium.north)

        assert told(capsys, "tx", "wait", sent["hash"], "--home", consortium.lab)["applied"]
        shown = told(capsys, "query", "tx", sent["hash"], "--home", consortium.lab)
        assert shown["height"] == sent["height"]
        group = told(capsys, "query", "entry", "groups", "ab" * 16, "--home", consortium.lab)
        assert [each["institution"] for each in group["value"]["members"]] == members
        assert "IdTaken" in complaint(capsys, "tx", "send", path, "--home", consortium.north, code=1)

    def test_a_file_with_a_mistake_names_the_member(
        self, consortium: Consortium, tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "operation.json"
        path.write_text('{"type": "group.create", "group": "ab", "members": []}')

        assert "operation[0]" in complaint(capsys, "tx", "send", path, "--home", consortium.north, code=2)

    def test_an_unknown_transaction_is_waited_for_in_vain(
        self, consortium: Consortium, capsys: Captured
    ) -> None:
        complaint(capsys, "tx", "wait", "00" * 32, "--timeout", "0.1", "--home", consortium.north, code=1)

    def test_events_come_block_by_block(self, consortium: Consortium, capsys: Captured) -> None:
        text = said(
            capsys, "events", "tail", "--from", "1", "--count", "3", "--output", "json",
            "--home", consortium.south,
        )  # fmt: skip

        assert [json.loads(line)["height"] for line in text.splitlines()] == [1, 2, 3]

    def test_everybody_knows_the_members(self, consortium: Consortium, capsys: Captured) -> None:
        for home in consortium.ids:
            found = told(capsys, "query", "members", "--home", home)["members"]
            assert sorted(each["id"] for each in found) == sorted(consortium.ids.values())

    def test_a_second_process_on_a_home_is_unsafe(self, consortium: Consortium, capsys: Captured) -> None:
        assert "stop it first" in complaint(capsys, "start", "--home", consortium.north, code=5)
