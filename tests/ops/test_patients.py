"""Patients' wallets are kept sealed, and come back for the home's key alone."""

from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from noded.client.wallet import Wallet
from noded.ops.patients import PATIENTS_NAME, Patients, PatientsDamaged, PatientUnknown
from noded.storage.files import alone_in
from noded.types.ids import InstitutionId
from noded.types.medical import PatientId

KEY = bytes(range(32))
HOSPITAL = InstitutionId(b"h" * 16)
NAME = "https://north.example/fhir/Patient/li-1"


def patients(home: Path, key: bytes = KEY) -> Patients:
    return Patients(home, key, HOSPITAL)


class TestPatients:
    def test_come_back_with_their_keys(self, tmp_path: Path) -> None:
        (kept,) = patients(tmp_path).add([NAME])

        again = patients(tmp_path).find(NAME)

        assert again is not None
        assert again == kept
        wallet = patients(tmp_path).wallet_of(kept.patient)
        assert again.patient == wallet.patient_id(HOSPITAL)

    def test_those_known_before_stay(self, tmp_path: Path) -> None:
        patients(tmp_path).add([NAME, "Patient/2"])
        patients(tmp_path).add(["Patient/3", "", ""])

        found = patients(tmp_path)
        assert len(found) == 5
        assert len({each.patient for each in found}) == 5
        assert [each.name for each in found] == [NAME, "Patient/2", "Patient/3", "", ""]

    def test_two_commands_at_once_lose_no_keys(self, tmp_path: Path) -> None:
        first, second = patients(tmp_path), patients(tmp_path)
        (kept,) = first.add([NAME])

        new = second.add([NAME, "Patient/2", ""])

        assert [each.name for each in new] == ["Patient/2", ""]
        assert second.find(NAME) == kept
        assert list(patients(tmp_path)) == [kept, *new]

    def test_a_command_waits_for_another_that_adds(self, tmp_path: Path) -> None:
        with alone_in(tmp_path):
            thread = Thread(target=patients(tmp_path).add, args=(["Patient/2"],))
            thread.start()
            thread.join(0.2)
            assert thread.is_alive()
        thread.join(30)
        assert patients(tmp_path).find("Patient/2") is not None

    def test_one_is_found_by_id(self, tmp_path: Path) -> None:
        (kept,) = patients(tmp_path).add([NAME])

        assert patients(tmp_path).wallet_of(kept.patient) == kept.wallet
        with pytest.raises(PatientUnknown):
            patients(tmp_path).wallet_of(PatientId(bytes(16)))

    def test_of_a_wallet_that_is_forgotten_the_name_stays(self, tmp_path: Path) -> None:
        """Documents of a patient who took the wallet along are the patient's still."""
        (kept, other) = patients(tmp_path).add([NAME, "Patient/2"])
        patients(tmp_path).keep(kept.patient, None)

        found = patients(tmp_path)
        assert found.find(NAME) == replace(kept, wallet=None)
        assert found.wallet_of(other.patient) == other.wallet
        with pytest.raises(PatientUnknown, match="give --wallet"):
            found.wallet_of(kept.patient)
        with pytest.raises(PatientUnknown):
            found.keep(kept.patient, None)

    def test_who_came_with_a_wallet_is_known_by_the_first_name(self, tmp_path: Path) -> None:
        patient = PatientId(b"p" * 16)
        (kept,) = patients(tmp_path).add([""])
        for each in (patient, kept.patient):
            patients(tmp_path).call(each, f"Patient/{each.hex()}")
            patients(tmp_path).call(each, "Patient/another")

        found = patients(tmp_path)
        brought, made = (found.find(f"Patient/{each.hex()}") for each in (patient, kept.patient))
        assert brought is not None
        assert (brought.patient, brought.wallet) == (patient, None)
        assert made == replace(kept, name=f"Patient/{kept.patient.hex()}")
        assert found.find("Patient/another") is None
        assert len(found) == 2

    def test_nothing_stands_in_the_clear(self, tmp_path: Path) -> None:
        (kept,) = patients(tmp_path).add([NAME])

        data = (tmp_path / PATIENTS_NAME).read_bytes()
        assert NAME.encode() not in data
        assert kept.wallet is not None
        assert kept.wallet.seed not in data
        assert bytes(kept.patient) not in data

    def test_nothing_shows_in_a_representation(self, tmp_path: Path) -> None:
        (kept,) = patients(tmp_path).add([NAME])

        assert NAME not in repr(kept)
        assert kept.wallet is not None
        assert repr(kept.wallet.seed) not in repr(kept)

    @pytest.mark.parametrize("position", [0, 12, 40, -1])
    def test_a_flipped_byte_is_refused(self, tmp_path: Path, position: int) -> None:
        patients(tmp_path).add([NAME])
        path = tmp_path / PATIENTS_NAME
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)

        with pytest.raises(PatientsDamaged):
            patients(tmp_path)

    def test_another_homes_key_opens_nothing(self, tmp_path: Path) -> None:
        patients(tmp_path).add([NAME])

        with pytest.raises(PatientsDamaged):
            patients(tmp_path, bytes(32))

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / PATIENTS_NAME).touch(mode=0o600)

        with pytest.raises(PatientsDamaged):
            patients(tmp_path)

    def test_wallets_are_random(self, tmp_path: Path) -> None:
        one, two = patients(tmp_path).add(["a", "b"])

        assert isinstance(one.wallet, Wallet)
        assert isinstance(two.wallet, Wallet)
        assert one.wallet.seed != two.wallet.seed
