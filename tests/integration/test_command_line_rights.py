"""The command line on four real nodes: what patients may demand, and how custodians answer for it."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from noded.client.wallet import Wallet
from noded.keys.files import write_private
from noded.ops.delegates import read_offer, write_offer
from noded.ops.wallets import seal_wallet
from noded.types.ids import ChainId
from noded.types.medical import PatientId
from noded.types.operations.identity import PatientRotate
from tests.helpers.command import Captured, complaint, said, told
from tests.helpers.consortium import Consortium, ask, grant
from tests.helpers.keystores import QUICK

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]


@pytest.fixture
def record(consortium: Consortium, tmp_path: Path, capsys: Captured) -> dict[str, str]:
    """A small record of a new patient, imported for this test."""
    path = tmp_path / "record.json"
    path.write_text(f'{{"resourceType": "Patient", "id": "{uuid4()}"}}')
    found: dict[str, str]
    (found,) = told(capsys, "fhir", "import", path, "--home", consortium.north)["records"]
    consortium.agree()
    return found


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


class TestWallets:
    @pytest.fixture
    def sealed(self, tmp_path: Path, capsys: Captured) -> tuple[str, ...]:
        """A patient's own wallet: what commands are told of it."""
        passphrase = tmp_path / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        told(capsys, "patient", "new-wallet", "--out", tmp_path / "mine", "--passphrase-file", passphrase)
        return ("--wallet", str(tmp_path / "mine"), "--passphrase-file", str(passphrase))

    def test_one_wallet_is_another_patient_with_each_custodian(
        self, consortium: Consortium, sealed: tuple[str, ...], tmp_path: Path, capsys: Captured
    ) -> None:
        """L20: and what the second custodian imports is that patient's."""
        path = tmp_path / "x.json"
        path.write_text('{"resourceType": "Patient", "id": "x"}')
        ids = []
        for home in (consortium.north, consortium.south):
            (patient,) = told(capsys, "patient", "register", *sealed, "--home", home)["patients"]
            (record,) = told(capsys, "fhir", "import", path, "--patient", patient, "--home", home)["records"]
            assert record["patient"] == patient
            told(
                capsys, "consent", "grant", "--patient", patient, "--to", consortium.ids[consortium.lab], *sealed,
                "--home", home,
            )  # fmt: skip
            unknown = complaint(
                capsys, "consent", "grant", "--patient", patient, "--to-role", "lab", "--home", home, code=3
            )
            assert "has no wallet of patient" in unknown
            ids.append(patient)

        assert len(set(ids)) == 2

    def test_whom_the_first_documents_of_an_own_wallet_name_is_known_after_that(
        self,
        consortium: Consortium,
        record: dict[str, str],
        sealed: tuple[str, ...],
        tmp_path: Path,
        capsys: Captured,
    ) -> None:
        """Else the next import would make a second patient of them, with a wallet that they do not have."""
        north = ("--home", str(consortium.north))
        (patient,) = told(capsys, "patient", "register", *sealed, *north)["patients"]
        path = tmp_path / "mine.json"
        path.write_text(f'{{"resourceType": "Patient", "id": "{uuid4()}"}}')
        told(capsys, "fhir", "import", path, "--patient", patient, *north)

        again = told(capsys, "fhir", "import", path, *north)

        assert (again["new_patients"], again["records"][0]["patient"]) == (0, patient)
        other = told(capsys, "fhir", "import", path, "--patient", record["patient"], *north, code=1)
        assert (other["records"], len(other["problems"])) == ([], 1)
        assert f"names patient {patient}, and --patient another" in other["problems"][0]
        elsewhere = ("fhir", "import", path, "--patient", patient, "--home", consortium.south)
        assert "is registered with member" in complaint(capsys, *elsewhere, code=3)

    def test_documents_of_several_patients_are_not_taken_for_one(
        self, consortium: Consortium, record: dict[str, str], tmp_path: Path, capsys: Captured
    ) -> None:
        path = tmp_path / "two.json"
        entries = ",".join(f'{{"resource": {{"resourceType": "Patient", "id": "{each}"}}}}' for each in "ab")
        path.write_text(f'{{"resourceType": "Bundle", "type": "collection", "entry": [{entries}]}}')
        given = ("fhir", "import", path, "--patient", record["patient"], "--home", consortium.north)

        done = told(capsys, *given, code=1)

        assert (done["records"], len(done["problems"])) == ([], 1)
        assert "names 2 patients" in done["problems"][0]

    def test_after_a_rotation_every_copy_of_the_wallet_signs_with_the_new_key(
        self, consortium: Consortium, sealed: tuple[str, ...], tmp_path: Path, capsys: Captured
    ) -> None:
        """L21."""
        home = ("--home", str(consortium.north))
        (patient,) = told(capsys, "patient", "register", *sealed, *home)["patients"]
        copy = (tmp_path / "copy", tmp_path / "mine")
        copy[0].write_bytes(copy[1].read_bytes())
        copy[0].chmod(0o600)
        before = told(capsys, "query", "entry", "patients", patient, *home)["value"]["key"]

        rotated = [told(capsys, "patient", "rotate", patient, *sealed, *home)["key"] for _ in range(2)]

        assert told(capsys, "query", "entry", "patients", patient, *home)["value"]["key"] == rotated[-1]
        assert len({before, *rotated}) == 3
        for wallet in copy:
            told(
                capsys, "consent", "grant", "--patient", patient, "--to-role", "lab", "--wallet", wallet,
                *sealed[2:], *home,
            )  # fmt: skip

    def test_a_wallet_in_the_home_is_rotated_there(
        self, consortium: Consortium, record: dict[str, str], capsys: Captured
    ) -> None:
        home = ("--home", str(consortium.north))

        rotated = told(capsys, "patient", "rotate", record["patient"], *home)

        listed = told(capsys, "patient", "list", *home)["patients"]
        assert {each["id"]: each["key"] for each in listed}[record["patient"]] == rotated["key"]

    def test_a_wallet_that_was_taken_along_is_forgotten_here(
        self,
        consortium: Consortium,
        record: dict[str, str],
        sealed: tuple[str, ...],
        tmp_path: Path,
        capsys: Captured,
    ) -> None:
        """The custodian cannot act as the patient any more, and still knows whose documents are."""
        patient, home = record["patient"], ("--home", str(consortium.north))
        taken = ("--wallet", str(tmp_path / "taken"), *sealed[2:])
        told(capsys, "patient", "export", patient, "--out", taken[1], *sealed[2:], *home)
        others = complaint(capsys, "patient", "forget", patient, *sealed, *home, code=3)
        assert "the wallet is not patient" in others

        told(capsys, "patient", "forget", patient, *taken, *home)

        for again in (
            ("consent", "grant", "--patient", patient, "--to-role", "lab"),
            ("patient", "export", patient, "--out", tmp_path / "again", *sealed[2:]),
            ("patient", "forget", patient, *taken),
        ):
            assert "has no wallet of patient" in complaint(capsys, *again, *home, code=3)
        told(capsys, "consent", "grant", "--patient", patient, "--to-role", "lab", *taken, *home)
        later = told(capsys, "fhir", "import", record["source"], *home)
        assert [each["patient"] for each in later["records"]] == [patient]
        listed = told(capsys, "patient", "list", *home)["patients"]
        assert {each["id"]: each["key"] for each in listed}[patient] is None

    def test_another_patients_wallet_is_refused_here(
        self, consortium: Consortium, record: dict[str, str], sealed: tuple[str, ...], capsys: Captured
    ) -> None:
        given = ("consent", "grant", "--patient", record["patient"], "--to-role", "lab", *sealed)

        assert "the wallet is not patient" in complaint(capsys, *given, "--home", consortium.north, code=3)


class TestDelegates:
    @pytest.fixture
    def daughter(self, tmp_path: Path) -> tuple[str, ...]:
        """Somebody with a wallet of her own, who is no patient here: what commands are told of it."""
        passphrase, wallet = tmp_path / "her-passphrase", tmp_path / "hers"
        passphrase.write_text("battery staple\n")
        passphrase.chmod(0o600)
        hers = Wallet(seed=os.urandom(32), relations=())
        write_private(wallet, seal_wallet(hers, b"battery staple", QUICK))  # It is opened a dozen times.
        return ("--wallet", str(wallet), "--passphrase-file", str(passphrase))

    def test_a_delegate_acts_with_her_own_wallet_until_it_is_ended(
        self,
        consortium: Consortium,
        record: dict[str, str],
        daughter: tuple[str, ...],
        tmp_path: Path,
        capsys: Captured,
    ) -> None:
        """L22, L23, L40, L50: she grants, revokes and reads for the patient, with a key for this patient only."""
        patient, north = record["patient"], ("--home", str(consortium.north))
        granting = ("consent", "grant", "--patient", patient, "--to-role", "lab", *daughter, *north)
        early = complaint(capsys, *granting, code=3)
        assert "no key of it acts for that patient" in early

        offer = ("delegate", "offer", patient, *daughter, "--home", str(consortium.lab), "--out")
        offered = told(capsys, *offer, tmp_path / "offer")
        agreed = told(capsys, "delegate", "set", patient, "--offer", tmp_path / "offer", *north)
        assert (agreed["key"], agreed["until_ms"]) == (offered["key"], offered["until_ms"])
        key = agreed["key"]
        moved = told(capsys, "delegate", "set", patient, "--key", key, "--for", "1d", *north)
        (listed,) = told(capsys, "delegate", "list", patient, *north)["delegates"]
        assert (moved["key"], listed["id"]) == (key, key)
        assert listed["value"] == {"patient": patient, "until_ms": moved["until_ms"]}

        consent = told(capsys, *granting)["consent"]
        told(capsys, "consent", "revoke", consent, *daughter, *north)
        value = told(capsys, "query", "entry", "consents", consent, *north)["value"]
        assert (value["patient"], value["status"]) == (patient, "revoked")
        assert (
            read_own_record(capsys, record, tmp_path / "read", daughter, north)
            == Path(record["source"]).read_bytes()
        )
        longer = ("delegate", "set", patient, "--key", key, "--for", "2d", *daughter, *north)
        assert "delegate.set" in complaint(capsys, *longer, code=1)

        told(capsys, "delegate", "clear", key, *daughter, *north)
        assert told(capsys, "delegate", "list", patient, *north)["delegates"] == []
        assert "no key of it acts" in complaint(capsys, *granting, code=3)
        assert "acts for nobody" in complaint(capsys, "delegate", "clear", key, *north, code=3)

        consortium.agree()
        told(capsys, *offer, tmp_path / "anew")
        again = told(capsys, "delegate", "set", patient, "--offer", tmp_path / "anew", *north)["key"]
        assert again != key
        told(capsys, *granting)
        told(capsys, "delegate", "clear", again, *north)
        assert "no key of it acts" in complaint(capsys, *granting, code=3)

    def test_a_patient_signs_no_offer_of_something_else(
        self,
        consortium: Consortium,
        record: dict[str, str],
        daughter: tuple[str, ...],
        tmp_path: Path,
        capsys: Captured,
    ) -> None:
        patient, north, file = record["patient"], ("--home", str(consortium.north)), tmp_path / "offer"
        (other,) = told(capsys, "patient", "register", *north)["patients"]
        told(capsys, "delegate", "offer", patient, *daughter, "--out", file, *north)
        made = read_offer(file)
        (setting,) = made.body.operations
        for changed, why in (
            ({"operations": (setting, setting)}, "do something else"),
            (
                {"operations": (PatientRotate(patient=PatientId(bytes(16)), key=made.body.sender),)},
                "do something else",
            ),
            ({"chain_id": ChainId(bytes(32))}, "for another chain"),
            ({"sequence": 1 << 60}, "sequence"),
        ):
            write_offer(tmp_path / "changed", replace(made, body=replace(made.body, **changed)))
            refused = complaint(
                capsys, "delegate", "set", patient, "--offer", tmp_path / "changed", *north, code=3
            )
            assert why in refused
        short = ("delegate", "set", patient, "--offer", file, "--for", "51w", *north)
        assert "lasts longer than --for says" in complaint(capsys, *short, code=3)
        set_other = ("delegate", "set", other, "--offer", file, *north)
        assert "an offer to patient" in complaint(capsys, *set_other, code=3)
        told(capsys, "patient", "rotate", patient, *north)
        late = complaint(capsys, "delegate", "set", patient, "--offer", file, *north, code=3)
        assert "not the patient's now" in late
        file.write_bytes(b"noded delegate offer\n" + bytes(9))
        assert "damaged" in complaint(capsys, "delegate", "set", patient, "--offer", file, *north, code=3)
        assert told(capsys, "delegate", "list", patient, *north)["delegates"] == []


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


def read_own_record(
    capsys: Captured, record: dict[str, str], out: Path, signs: tuple[str, ...], home: tuple[str, str]
) -> bytes:
    """What somebody gets who asks for a record as the one whom it is about."""
    name = record["record"]
    request = told(capsys, "access", "request", name, "--own", *signs, *home)["request"]
    told(capsys, "access", "release", request, *home)
    told(capsys, "record", "get", name, "--request", request, "--out", out, *signs, *home)
    return out.read_bytes()
