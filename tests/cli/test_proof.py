"""`proof verify` offline, over epochs whose powers change: one by one, by skipping, and what it refuses by name."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from noded.lightclient import LedgerProof, Trusted, encode_proof, founding_trust, shorten, since, verify
from noded.ops.trust import read_trust, write_trust
from noded.types.ids import PublicKey
from tests.helpers.command import Captured, complaint, said, told
from tests.helpers.proofs import ProvingChain, unequal_genesis
from tests.lightclient.test_proof import KEY

EPOCHS = 6


@dataclass
class Proven:
    """A chain of seven epochs, and the folder of somebody who has no node."""

    chain: ProvingChain
    folder: Path

    @property
    def chain_id(self) -> str:
        return self.chain.genesis.chain_id.hex()

    @property
    def start(self) -> Trusted:
        return founding_trust(self.chain.genesis, self.chain.genesis.chain_id)

    def file(self, proof: LedgerProof, name: str = "proof") -> Path:
        path = self.folder / name
        path.write_bytes(encode_proof(proof))
        return path

    def epochs(self, count: int) -> None:
        while len(self.chain.entries) < count:
            self.chain.run()

    def refusal(self, capsys: Captured, *arguments: object) -> str:
        """The name of what does not hold; the text that people read says it too."""
        name: str = told(capsys, "proof", "verify", *arguments, code=1)["error"]["name"]
        assert f"not proven: {name}: " in complaint(capsys, "proof", "verify", *arguments, code=1)
        return name


def proven_chain(folder: Path, trusting_ms: int) -> Proven:
    genesis = unequal_genesis([1000, 1100, 1200, 1300, 1400])
    parameters = replace(genesis.parameters, trusting_ms=trusting_ms, epoch_length=8)
    proven = Proven(ProvingChain(replace(genesis, parameters=parameters)), folder)
    proven.epochs(EPOCHS)
    return proven


@pytest.fixture
def proven(tmp_path: Path) -> Proven:
    """The trusting period is longer than the chain is old, which began in 2023."""
    return proven_chain(tmp_path, 1 << 49)


@pytest.fixture
def old(tmp_path: Path) -> Proven:
    """The trusting period of two weeks is long over."""
    return proven_chain(tmp_path, 14 * 86_400_000)


class TestSequential:
    def test_needs_the_chains_id_and_no_clock(self, old: Proven, capsys: Captured) -> None:
        path = old.file(old.chain.prove(KEY))

        shown = told(capsys, "proof", "verify", path, "--chain-id", old.chain_id, "--sequential")

        assert (shown["from_epoch"], shown["epoch"], shown["skipped_to"]) == (1, EPOCHS + 1, [])
        assert "from those of epoch 1 epoch by epoch" in said(
            capsys, "proof", "verify", path, "--chain-id", old.chain_id
        )

    def test_goes_on_from_what_was_saved(self, old: Proven, capsys: Captured) -> None:
        kept = old.folder / "kept"
        path = old.file(old.chain.prove(KEY))
        told(capsys, "proof", "verify", path, "--chain-id", old.chain_id, "--save", kept)
        assert read_trust(kept).table.epoch == EPOCHS + 1
        old.epochs(EPOCHS + 3)
        whole = old.chain.prove(KEY)
        short = old.file(since(whole, read_trust(kept)), "later")

        shown = told(capsys, "proof", "verify", short, "--trusted", kept, "--save", kept)

        assert (shown["from_epoch"], shown["epoch"], shown["skipped_to"]) == (EPOCHS + 1, EPOCHS + 4, [])
        assert read_trust(kept).table.epoch == EPOCHS + 4
        assert old.refusal(capsys, short, "--chain-id", old.chain_id) == "InvalidProof"
        assert old.refusal(capsys, path, "--trusted", kept) == "InvalidProof", "older than what is trusted"

    def test_a_forged_table_is_refused(self, proven: Proven, capsys: Captured) -> None:
        whole = proven.chain.prove(KEY)
        row = whole.epochs[2].table.validators[0]
        mine = replace(whole.epochs[2].table, validators=(row,))
        forged = replace(
            whole, epochs=(*whole.epochs[:2], replace(whole.epochs[2], table=mine), *whole.epochs[3:])
        )

        assert proven.refusal(capsys, proven.file(forged), "--chain-id", proven.chain_id) == "TableForged"

    def test_another_chain_is_refused(self, proven: Proven, capsys: Captured) -> None:
        path = proven.file(proven.chain.prove(KEY))

        assert proven.refusal(capsys, path, "--chain-id", "00" * 32) == "InvalidProof"

    def test_what_is_no_proof_is_refused(self, proven: Proven, capsys: Captured) -> None:
        path = proven.folder / "proof"
        path.write_bytes(b"no proof")

        assert proven.refusal(capsys, path, "--chain-id", proven.chain_id) == "InvalidProof"


class TestSkipping:
    def test_over_changing_powers(self, proven: Proven, capsys: Captured) -> None:
        whole = proven.chain.prove(KEY)
        path = proven.file(shorten(whole, proven.start))

        shown = told(capsys, "proof", "verify", path, "--chain-id", proven.chain_id)

        assert shown["skipped_to"] == [EPOCHS]
        assert path.stat().st_size < len(encode_proof(whole))
        powers = {tuple(row.power for row in entry.table.validators) for entry in whole.epochs}
        assert len(powers) == EPOCHS
        assert shown["block"] == verify(whole, proven.chain.genesis.chain_id).block.hex()
        assert f"by skipping to {EPOCHS}" in said(
            capsys, "proof", "verify", path, "--chain-id", proven.chain_id
        )

    def test_may_be_refused_altogether(self, proven: Proven, capsys: Captured) -> None:
        path = proven.file(shorten(proven.chain.prove(KEY), proven.start))

        refusal = proven.refusal(capsys, path, "--chain-id", proven.chain_id, "--sequential")
        assert refusal == "InvalidProof"

    def test_a_stale_trusting_period_is_refused(self, old: Proven, capsys: Captured) -> None:
        path = old.file(shorten(old.chain.prove(KEY), old.start))

        assert old.refusal(capsys, path, "--chain-id", old.chain_id) == "TrustExpired"

    def test_a_stale_table_is_refused(self, old: Proven, capsys: Captured) -> None:
        kept = old.folder / "kept"
        write_trust(kept, verify(old.chain.prove(KEY), old.chain.genesis.chain_id).trusted)
        old.epochs(EPOCHS + 3)
        path = old.file(shorten(old.chain.prove(KEY), read_trust(kept)))

        assert old.refusal(capsys, path, "--trusted", kept) == "TrustExpired"

    def test_too_little_overlap_is_refused(self, proven: Proven, capsys: Captured) -> None:
        """Those who ended the epoch sign with keys that are not the trusted ones."""
        kept = proven.folder / "kept"
        table = proven.start.table
        strangers = [replace(row, public_key=PublicKey(bytes(32))) for row in table.validators[1:]]
        write_trust(
            kept,
            replace(proven.start, table=replace(table, validators=(table.validators[0], *strangers))),
        )
        path = proven.file(shorten(proven.chain.prove(KEY), proven.start))

        assert proven.refusal(capsys, path, "--trusted", kept) == "TooLittleOverlap"

    def test_a_forged_table_is_refused(self, proven: Proven, capsys: Captured) -> None:
        short = shorten(proven.chain.prove(KEY), proven.start)
        [table] = short.tables
        forged = replace(short, tables=(replace(table, validators=table.validators[:1]),))

        assert proven.refusal(capsys, proven.file(forged), "--chain-id", proven.chain_id) == "TableForged"


class TestTrust:
    def test_a_file_that_is_none_is_named(self, proven: Proven, capsys: Captured) -> None:
        path, kept = proven.file(proven.chain.prove(KEY)), proven.folder / "kept"
        for data in (b"", b"noded trust\n", b"noded trust\n\xa0"):
            kept.write_bytes(data)

            assert "proof verify --save" in complaint(
                capsys, "proof", "verify", path, "--trusted", kept, code=3
            )

    def test_one_source_of_trust(self, proven: Proven, capsys: Captured) -> None:
        path = proven.file(proven.chain.prove(KEY))

        complaint(capsys, "proof", "verify", path, "--chain-id", proven.chain_id, "--trusted", path, code=2)
