"""The command line on four real nodes: wallets of patients, and delegates who act with their own."""

import os
from dataclasses import replace
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
from tests.helpers.command import Captured, complaint, told
from tests.helpers.consortium import Consortium, import_new_patient, read_own_record
from tests.helpers.keystores import QUICK

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]


@pytest.fixture
def record(consortium: Consortium, tmp_path: Path, capsys: Captured) -> dict[str, str]:
    """A small record of a new patient, imported for this test."""
    return import_new_patient(consortium, capsys, tmp_path)


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
