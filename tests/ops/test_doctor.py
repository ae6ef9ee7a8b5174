"""The doctor names what is wrong and the way out, of a stopped node and by a running one's word."""

import os
import shutil
import socket
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noded.api.settings import TOKENS_NAME
from noded.config import load
from noded.ops import doctor_machine
from noded.ops.doctor import examine, judge_peers, judge_status
from noded.ops.findings import Finding, Verdict, worst
from noded.ops.founding import write_genesis
from noded.ops.home import GENESIS_NAME, STORE_NAME
from noded.ops.patients import PATIENTS_NAME
from noded.storage.lock import HomeLock
from noded.testnet.creating import create_testnet
from noded.types.genesis import Genesis
from tests.helpers.ledger import START_MS
from tests.helpers.limits import file_size_limit
from tests.helpers.stored_chain import BLOCKS

NOW_MS = START_MS + 1000 * BLOCKS + 500


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory, template: Path, genesis: Genesis) -> Path:
    folder = tmp_path_factory.mktemp("net") / "net"
    create_testnet(folder, 1, encrypted=False)
    write_genesis(folder / "node1" / GENESIS_NAME, genesis)
    shutil.copy(template / STORE_NAME, folder / "node1" / STORE_NAME)
    return folder / "node1"


@pytest.fixture
def patient(tmp_path: Path, net: Path) -> Path:
    """The home that is looked at."""
    return shutil.copytree(net, tmp_path / "patient")


def seen(home: Path, now_ms: int = NOW_MS) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(home, {}, now_ms=now_ms)}


def status(**changes: Any) -> dict[str, Any]:
    return {
        "height": 5,
        "finalized_height": 5,
        "halted": None,
        "silence": None,
        "clock": None,
        "standing": None,
        "syncing": False,
        "block_age_ms": 100,
        "validators": [],
        **changes,
    }


def peer(name: str, *, connected: bool, fault: str | None = None) -> dict[str, Any]:
    return {"institution": name, "connected": connected, "last_fault": fault}


class TestStopped:
    def test_a_sound_home_has_no_failure(self, patient: Path) -> None:
        found = seen(patient)

        assert [each for each in found.values() if each.verdict is Verdict.FAIL] == []
        assert found["node"].verdict is Verdict.WARN
        assert found["store"].found == f"height {BLOCKS}, epoch 3"

    def test_whatever_is_wrong_has_a_way_out(self, patient: Path) -> None:
        for finding in examine(patient, {}, now_ms=NOW_MS):
            assert (finding.way_out == "") == (finding.verdict is Verdict.OK)

    def test_bad_settings(self, patient: Path) -> None:
        (patient / "config.toml").write_text("[network]\nlisten = 'x'\n[nonsense]\n")

        found = examine(patient, {})
        assert [each.name for each in found] == ["config", "config"]
        assert worst(found) is Verdict.FAIL

    def test_a_home_that_others_may_read(self, patient: Path) -> None:
        (patient / "keys" / "consensus.key").chmod(0o644)

        finding = seen(patient)["permissions"]
        assert finding.verdict is Verdict.FAIL
        assert "consensus.key" in finding.way_out

    def test_another_genesis(self, patient: Path, genesis: Genesis) -> None:
        write_genesis(patient / GENESIS_NAME, replace(genesis, name="other"))

        assert seen(patient)["store"].verdict is Verdict.FAIL

    def test_a_clock_behind_the_chain(self, patient: Path, genesis: Genesis) -> None:
        drift_ms = genesis.parameters.drift_ms

        assert seen(patient)["clock"].verdict is Verdict.OK
        late = seen(patient, START_MS + 1000 * BLOCKS - drift_ms - 1)["clock"]
        assert late.verdict is Verdict.FAIL

    def test_a_checkpoint_that_is_not_on_the_chain(self, patient: Path) -> None:
        text = (patient / "config.toml").read_text()
        (patient / "config.toml").write_text(text.replace('checkpoint = ""', f'checkpoint = "3:{"00" * 32}"'))

        assert seen(patient)["checkpoint"].verdict is Verdict.FAIL

    def test_a_port_that_is_taken(self, patient: Path) -> None:
        listen = load(patient, {}).network.listen
        host, _, port = listen.rpartition(":")
        with closing(socket.create_server((host, int(port)))):
            finding = seen(patient)["port-peers"]

        assert finding.verdict is Verdict.FAIL
        assert port in finding.way_out

    @pytest.mark.parametrize("name", [TOKENS_NAME, PATIENTS_NAME])
    def test_whatever_keeps_the_node_from_starting_for_its_mode_is_named(
        self, patient: Path, name: str
    ) -> None:
        (patient / name).touch()
        (patient / name).chmod(0o644)

        assert name in seen(patient)["permissions"].found

    def test_a_key_of_the_api_that_everybody_may_read(self, patient: Path) -> None:
        (patient / "tls.key").touch()
        environment = {"NODED_API__TLS_KEY": "tls.key", "NODED_API__TLS_CERTIFICATE": "tls.pem"}
        for mode, verdict in ((0o640, Verdict.OK), (0o644, Verdict.FAIL)):
            (patient / "tls.key").chmod(mode)

            assert doctor_machine.check_permissions(load(patient, environment)).verdict is verdict

    def test_a_passphrase_that_is_lost_or_another(self, patient: Path) -> None:
        environment = {"NODED_NODE__PASSPHRASE": "file:passphrase"}
        missing = doctor_machine.check_passphrase(load(patient, environment))
        (patient / "passphrase").write_text("another")
        (patient / "passphrase").chmod(0o600)
        wrong = doctor_machine.check_passphrase(load(patient, environment))

        assert (missing.verdict, wrong.verdict) == (Verdict.FAIL, Verdict.FAIL)
        assert "there is no such file" in missing.found

    def test_a_passphrase_that_is_handed_over_at_the_start_is_not_missed(self, patient: Path) -> None:
        config = load(patient, {"NODED_NODE__PASSPHRASE": "credential"})

        assert doctor_machine.check_passphrase(config).verdict is Verdict.OK

    def test_a_full_disk(self, patient: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))

        assert seen(patient)["disk-space"].verdict is Verdict.FAIL

    def test_a_disk_that_takes_no_write_wants_space(self, patient: Path) -> None:
        with file_size_limit(0):
            finding = doctor_machine.check_syncs(patient)

        assert finding.verdict is Verdict.FAIL
        assert "free space" in finding.way_out

    def test_what_is_not_yet_copied_into_the_store_takes_space_too(self, patient: Path) -> None:
        journal = patient / f"{STORE_NAME}-wal"
        journal.touch()
        os.truncate(journal, 5 * doctor_machine.MIB)

        found = doctor_machine.check_space(load(patient, {})).found

        assert "the store takes 5," in found

    @pytest.mark.parametrize(
        ("ms", "verdict"), [(1.0, Verdict.OK), (20.0, Verdict.WARN), (200.0, Verdict.FAIL)]
    )
    def test_a_slow_disk(
        self, patient: Path, monkeypatch: pytest.MonkeyPatch, ms: float, verdict: Verdict
    ) -> None:
        clock = iter(each * ms / 1000 for number in range(1000) for each in (number, number + 1))
        monkeypatch.setattr(time, "perf_counter", lambda: next(clock))

        assert doctor_machine.check_syncs(patient).verdict is verdict

    def test_a_missing_home(self, tmp_path: Path) -> None:
        (finding,) = examine(tmp_path / "absent", {})

        assert (finding.name, finding.verdict) == ("home", Verdict.FAIL)

    def test_a_node_that_hangs(self, patient: Path) -> None:
        with HomeLock(patient):
            finding = seen(patient)["node"]

        assert finding.verdict is Verdict.FAIL
        assert "does not answer" in finding.found


class TestRunning:
    def test_all_is_well(self) -> None:
        assert worst(judge_status(status())) is Verdict.OK

    def test_a_halted_node_fails(self) -> None:
        assert worst(judge_status(status(halted="state differs"))) is Verdict.FAIL

    def test_a_node_that_may_not_vote_is_warned_of(self) -> None:
        assert worst(judge_status(status(silence="it was removed"))) is Verdict.WARN

    def test_a_wrong_clock_fails(self) -> None:
        assert worst(judge_status(status(clock="it is behind"))) is Verdict.FAIL

    def test_who_is_missing_is_named(self) -> None:
        validators = [
            {"id": "aa", "connected": False, "voted": False},
            {"id": "bb", "connected": True, "voted": False},
            {"id": "cc", "connected": True, "voted": True},
        ]
        (finding,) = [
            each
            for each in judge_status(status(standing="no quorum", validators=validators))
            if each.name == "chain"
        ]

        assert finding.verdict is Verdict.FAIL
        assert "not connected: aa" in finding.found
        assert "no vote from: bb" in finding.found
        assert "cc" not in finding.found

    def test_a_node_behind_is_warned_of(self) -> None:
        assert worst(judge_status(status(finalized_height=9))) is Verdict.WARN

    def test_peers(self) -> None:
        up, away = peer("aa", connected=True), peer("bb", connected=False, fault="PeerSilent")

        assert worst(judge_peers([up])) is Verdict.OK
        assert worst(judge_peers([up, away])) is Verdict.WARN
        assert worst(judge_peers([away])) is Verdict.FAIL

    @pytest.mark.parametrize("fault", ["WrongChain", "WrongProtocolVersion"])
    def test_members_of_another_chain_or_version_are_named(self, fault: str) -> None:
        found = judge_peers([peer("aa", connected=True), peer("bb", connected=False, fault=fault)])

        failed = [each for each in found if each.verdict is Verdict.FAIL]
        assert len(failed) == 1
        assert "bb" in failed[0].found

    def test_the_faults_are_those_of_the_network(self) -> None:
        from noded.network import faults
        from noded.ops import doctor

        assert all(hasattr(faults, name) for name in doctor.OTHER_CHAIN | doctor.OTHER_VERSION)
