"""The commands that need no node: homes, keys, founding documents, settings, proofs."""

import json
import stat
from pathlib import Path

import pytest

from noded.keys.signer import Watermark
from noded.lightclient import encode_proof
from noded.ops.founding import read_genesis
from noded.storage.lock import HomeLock
from noded.types.ids import ChainId, Epoch, View
from tests.helpers.command import Captured, complaint, said, told
from tests.helpers.proofs import ProvingChain

INIT = ("init", "--name", "Klinik", "--role", "hospital", "--jurisdiction", "DE")


@pytest.fixture
def home(tmp_path: Path, capsys: Captured) -> Path:
    said(capsys, *INIT, "--home", tmp_path / "home", "--address", "127.0.0.1:9470", "--unencrypted")
    return tmp_path / "home"


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return path


class TestInit:
    def test_a_home_without_passphrase_is_refused(self, tmp_path: Path, capsys: Captured) -> None:
        assert "passphrase" in complaint(capsys, *INIT, "--home", tmp_path / "home", code=5)
        assert not (tmp_path / "home").exists()

    def test_a_home_is_never_made_twice(self, home: Path, capsys: Captured) -> None:
        complaint(capsys, *INIT, "--home", home, "--unencrypted", code=5)

    def test_an_encrypted_home_starts_with_its_settings(
        self, tmp_path: Path, passphrase: Path, capsys: Captured
    ) -> None:
        made = tmp_path / "home"
        told(capsys, *INIT, "--home", made, "--passphrase-file", passphrase)

        settings = told(capsys, "config", "show", "--home", made)
        assert settings["node"]["passphrase"] == f"file:{passphrase}"
        told(capsys, "keys", "generate", "--home", made, "extra")

    def test_a_bad_address_is_usage(self, tmp_path: Path, capsys: Captured) -> None:
        complaint(capsys, *INIT, "--home", tmp_path / "home", "--unencrypted", "--address", "nowhere", code=2)
        assert not (tmp_path / "home").exists()

    @pytest.mark.parametrize(
        ("option", "value", "why"),
        [
            ("--name", "", "1 to 128 bytes, not 0"),
            ("--name", "ä" * 65, "1 to 128 bytes, not 130"),
            ("--owner", "x" * 129, "0 to 128 bytes, not 129"),
            ("--jurisdiction", "Germany", "such as DE or CA-QC, not 'Germany'"),
            ("--jurisdiction", "de", "such as DE or CA-QC, not 'de'"),
        ],
    )
    def test_what_no_founding_document_takes_is_usage(
        self, tmp_path: Path, capsys: Captured, option: str, value: str, why: str
    ) -> None:
        given = (*INIT, "--home", tmp_path / "home", "--unencrypted", option, value)

        assert why in complaint(capsys, *given, code=2)
        assert not (tmp_path / "home").exists()


class TestKeys:
    def test_are_listed_without_secrets(self, home: Path, capsys: Captured) -> None:
        keys = told(capsys, "keys", "list", "--home", home)["keys"]

        assert [key["name"] for key in keys] == ["account", "consensus", "data", "encryption", "network"]
        secret = json.loads((home / "keys" / "account.key").read_text())["secret"]
        assert secret not in said(capsys, "keys", "list", "--home", home)

    def test_one_is_shown(self, home: Path, capsys: Captured) -> None:
        key = told(capsys, "keys", "show", "account", "--home", home)

        assert said(capsys, "keys", "show", "account", "--home", home).strip() == key["public_key"]

    def test_an_unknown_one_is_named(self, home: Path, capsys: Captured) -> None:
        assert "'none'" in complaint(capsys, "keys", "show", "none", "--home", home, code=3)

    def test_an_export_comes_back_elsewhere(
        self, home: Path, tmp_path: Path, passphrase: Path, capsys: Captured
    ) -> None:
        options = ("--export-passphrase-file", passphrase)
        told(capsys, "keys", "generate", "extra", "--home", home)
        told(capsys, "keys", "export", "extra", "--home", home, "--out", tmp_path / "out", *options)
        other = tmp_path / "other"
        said(capsys, *INIT, "--home", other, "--unencrypted")

        told(capsys, "keys", "import", tmp_path / "out", "--home", other, *options)

        shown = [told(capsys, "keys", "show", "extra", "--home", each) for each in (home, other)]
        assert shown[0] == shown[1]
        assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600

    def test_an_export_says_up_to_where_its_key_signed(
        self, home: Path, tmp_path: Path, passphrase: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """K4: by the log, of which the keystore itself knows nothing."""
        signed = {ChainId(bytes(32)): Watermark(Epoch(2), View(7))}
        monkeypatch.setattr("noded.daemon.boot.signed_until", lambda *_: signed)

        exported = told(
            capsys, "keys", "export", "consensus", "--home", home, "--out", tmp_path / "out",
            "--export-passphrase-file", passphrase,
        )  # fmt: skip

        assert exported["watermarks"] == {bytes(32).hex(): {"epoch": 2, "view": 7}}

    def test_an_import_knows_up_to_where_its_key_signed(
        self, home: Path, tmp_path: Path, passphrase: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """K4: also where the key is already, under another name than it had."""
        options = ("--home", home, "--export-passphrase-file", passphrase)
        for view in (7, 9):
            signed = {ChainId(bytes(32)): Watermark(Epoch(2), View(view))}
            monkeypatch.setattr("noded.daemon.boot.signed_until", lambda *_, signed=signed: signed)
            out = tmp_path / f"out{view}"
            told(capsys, "keys", "export", "consensus", "--out", out, *options)

            imported = told(capsys, "keys", "import", out, "--name", "consensus-2", *options)

            assert imported["watermarks"] == {bytes(32).hex(): {"epoch": 2, "view": view}}
        assert told(capsys, "keys", "show", "consensus-2", "--home", home) == imported

    def test_an_import_is_refused_if_it_cannot_be_opened_or_would_replace_a_key(
        self, home: Path, tmp_path: Path, passphrase: Path, capsys: Captured
    ) -> None:
        out, other, wrong = tmp_path / "out", tmp_path / "other", tmp_path / "wrong"
        wrong.write_text("another passphrase")
        wrong.chmod(0o600)
        chosen, mistaken = (("--export-passphrase-file", each) for each in (passphrase, wrong))
        told(capsys, "keys", "export", "account", "--home", home, "--out", out, *chosen)
        said(capsys, *INIT, "--home", other, "--unencrypted")
        before = told(capsys, "keys", "list", "--home", other)

        assert "passphrase" in complaint(capsys, "keys", "import", out, "--home", other, *mistaken, code=3)
        assert "'account'" in complaint(capsys, "keys", "import", out, "--home", other, *chosen, code=5)
        with HomeLock(other):
            complaint(capsys, "keys", "import", out, "--name", "more", "--home", other, *chosen, code=5)
        assert told(capsys, "keys", "list", "--home", other) == before

    def test_an_export_needs_a_passphrase_and_a_new_file(
        self, home: Path, tmp_path: Path, passphrase: Path, capsys: Captured
    ) -> None:
        (tmp_path / "out").write_text("mine")

        complaint(capsys, "keys", "export", "account", "--home", home, "--out", tmp_path / "x", code=5)
        complaint(
            capsys, "keys", "export", "account", "--home", home, "--out", tmp_path / "out",
            "--export-passphrase-file", passphrase, code=5,
        )  # fmt: skip
        assert (tmp_path / "out").read_text() == "mine"

    def test_the_passphrase_is_changed(self, tmp_path: Path, passphrase: Path, capsys: Captured) -> None:
        home, new = tmp_path / "sealed", tmp_path / "new"
        new.touch(mode=0o600)
        new.write_text("another one\n")
        said(capsys, *INIT, "--home", home, "--passphrase-file", passphrase)

        told(capsys, "keys", "passphrase", "--new-passphrase-file", new, "--home", home)

        assert "passphrase" in complaint(capsys, "keys", "generate", "x", "--home", home, code=3)
        told(capsys, "keys", "generate", "x", "--home", home, "--passphrase-file", new)

    def test_a_passphrase_that_others_can_read_is_refused(
        self, home: Path, passphrase: Path, capsys: Captured
    ) -> None:
        passphrase.chmod(0o644)

        error = complaint(
            capsys, "keys", "generate", "x", "--home", home, "--passphrase-file", passphrase, code=3
        )
        assert "chmod 600" in error


class TestGenesis:
    def test_from_particulars_to_the_chains_id(self, home: Path, tmp_path: Path, capsys: Captured) -> None:
        out = tmp_path / "genesis.cbor"
        made = told(
            capsys, "genesis", "create", home / "institution.json", "--name", "test", "--out", out,
            "--set", "delta_ms=123",
        )  # fmt: skip

        assert made["doubts"] == []
        assert said(capsys, "genesis", "hash", out).strip() == made["chain_id"]
        assert told(capsys, "genesis", "verify", out, "--hash", made["chain_id"])["validators"] == 1
        assert read_genesis(out).parameters.delta_ms == 123

    def test_a_founders_file_given_twice_is_named(self, home: Path, tmp_path: Path, capsys: Captured) -> None:
        file, copy, out = home / "institution.json", tmp_path / "copy.json", tmp_path / "genesis.cbor"
        copy.write_bytes(file.read_bytes())

        said = complaint(capsys, "genesis", "create", file, copy, "--name", "test", "--out", out, code=1)

        assert f"{copy}: the institution of {file} again" in said
        assert not out.exists()

    def test_another_hash_is_a_failure(self, home: Path, tmp_path: Path, capsys: Captured) -> None:
        out = tmp_path / "genesis.cbor"
        told(capsys, "genesis", "create", home / "institution.json", "--name", "test", "--out", out)

        assert "not " + "00" * 32 in complaint(capsys, "genesis", "verify", out, "--hash", "00" * 32, code=1)

    def test_the_json_form_makes_the_same_document(
        self, home: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        out, again = tmp_path / "genesis.cbor", tmp_path / "again.cbor"
        told(capsys, "genesis", "create", home / "institution.json", "--name", "test", "--out", out)
        shown = tmp_path / "genesis.json"
        shown.write_text(json.dumps(told(capsys, "genesis", "show", out)))

        told(capsys, "genesis", "create", "--from", shown, "--out", again)

        assert again.read_bytes() == out.read_bytes()

    def test_a_founding_document_is_never_overwritten(
        self, home: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        out = tmp_path / "genesis.cbor"
        out.write_text("mine")

        complaint(capsys, "genesis", "create", home / "institution.json", "--name", "t", "--out", out, code=5)
        assert out.read_text() == "mine"


class TestConfig:
    def test_show_gives_a_file_that_is_valid(self, home: Path, tmp_path: Path, capsys: Captured) -> None:
        copy = tmp_path / "copy.toml"
        copy.write_text(said(capsys, "config", "show", "--home", home))

        assert told(capsys, "config", "validate", copy, "--home", home)["ok"]
        assert told(capsys, "config", "diff", copy, "--home", home) == {"changes": []}

    def test_diff_says_what_needs_a_restart(self, home: Path, tmp_path: Path, capsys: Captured) -> None:
        other = tmp_path / "other.toml"
        text = (home / "config.toml").read_text()
        other.write_text(
            text.replace('level = "info"', 'level = "debug"').replace("0.0.0.0:9470", "0.0.0.0:1")
        )

        changes = told(capsys, "config", "diff", other, "--home", home)["changes"]

        assert {each["key"]: each["needs_restart"] for each in changes} == {
            "network.listen": True,
            "log.level": False,
        }

    def test_the_schema_describes_the_file(self, capsys: Captured) -> None:
        assert "network" in told(capsys, "config", "schema")["properties"]


class TestPolicy:
    def test_says_who_may_send_what(self, capsys: Captured) -> None:
        (row,) = told(capsys, "policy", "show", "consent.revoke")["operations"]

        assert (row["roles"], row["keys"]) == ([], ["patient", "delegate"])

    def test_a_token_is_revoked_by_its_id(self, tmp_path: Path, capsys: Captured) -> None:
        said = complaint(capsys, "tokens", "revoke", "reader", "--home", tmp_path, code=2)

        assert "a token's id has 16 hexadecimal digits, not 'reader'; `noded tokens list` shows it" in said

    def test_an_unknown_operation_is_usage(self, capsys: Captured) -> None:
        complaint(capsys, "policy", "show", "consent.forget", code=2)


class TestProofVerify:
    def test_needs_nothing_but_the_chains_id(self, tmp_path: Path, capsys: Captured) -> None:
        chain = ProvingChain()
        path = tmp_path / "proof"
        path.write_bytes(encode_proof(chain.prove(b"rec/" + bytes(16))))

        shown = told(
            capsys, "proof", "verify", path, "--chain-id", chain.genesis.chain_id.hex(), "--home", tmp_path
        )

        assert (shown["kind"], shown["exists"], shown["height"]) == ("record", False, 0)

    def test_a_flipped_byte_fails_and_names_the_part(self, tmp_path: Path, capsys: Captured) -> None:
        chain = ProvingChain()
        data = bytearray(encode_proof(chain.prove(b"rec/" + bytes(16))))
        data[-1] ^= 1
        path = tmp_path / "proof"
        path.write_bytes(data)

        error = complaint(capsys, "proof", "verify", path, "--chain-id", chain.genesis.chain_id.hex(), code=1)

        assert error.startswith("error: ")
        assert ": " in error.removeprefix("error: ")

    def test_without_anything_to_trust_it_says_so(self, tmp_path: Path, capsys: Captured) -> None:
        path = tmp_path / "proof"
        path.write_bytes(encode_proof(ProvingChain().prove(b"rec/" + bytes(16))))

        assert "--chain-id" in complaint(capsys, "proof", "verify", path, "--home", tmp_path, code=1)
