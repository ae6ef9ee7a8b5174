"""L10, L12, L13: blocks on branches, one of which becomes final; state roots and proofs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.crypto.sparse_merkle import UpperTree, bucket_of, path_of, updated
from noded.crypto.state_proof import verify_absence, verify_inclusion
from noded.ledger.commit import APPLIED
from noded.ledger.errors import NotCertifiedYet, UnknownParent
from noded.ledger.head import HEAD_KEY, BlockAt, Head, block_key
from noded.ledger.ledger import OPEN_BYTES_MAX, Ledger, OtherChain
from noded.ledger.members import Member, get_member, member_key
from noded.ledger.modules.records import record_key
from noded.types.block import BlockKind
from noded.types.genesis import Endpoint
from noded.types.ids import Epoch, Height
from noded.types.medical import RecordId
from noded.types.operations.membership import OrgUpdate
from tests.helpers.ledger import TestChain, account, make_genesis, member_id
from tests.helpers.medical import make_record
from tests.helpers.state_tree import roots_of

VECTORS = Path(__file__).parent.parent / "vectors" / "ledger.json"


def rename(name: str) -> OrgUpdate:
    return OrgUpdate(legal_name=name, endpoints=())


def name_of(chain: TestChain, number: int = 1) -> str:
    member = get_member(chain.state, member_id(number))
    assert member is not None
    return member.institution.legal_name


def naive_root(chain: TestChain) -> bytes:
    """The root of a tree built at once over all that was ever written."""
    state: dict[bytes, bytes] = {}
    for committed in chain.committed:
        for write in committed.writes:
            if write.value is None:
                state.pop(write.key, None)
            else:
                state[write.key] = write.value
    return updated(UpperTree(), (), roots_of(state)).root


class TestExecution:
    """L13: what a block does is a function of its parent's state and of the block."""

    def test_root_is_that_of_a_tree_built_at_once(self) -> None:
        chain = TestChain(make_genesis(epoch_length=4))
        for number in range(10):
            chain.run(chain.transaction(rename(f"name {number}"), sender=account(number % 4 + 1)))

            assert chain.ledger.state_root_after(chain.tip) == naive_root(chain)

    def test_execution_is_done_once(self) -> None:
        chain = TestChain()
        block = chain.block()

        assert chain.ledger.execute(block, ()) is chain.ledger.execute(block, ())

    def test_a_bucket_is_read_once_a_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever chooses ids that crowd a bucket does not pay for it; so its keys must not multiply its cost."""
        chain = TestChain()
        by_bucket: dict[int, list[RecordId]] = {}
        for number in range(2_000):
            record = RecordId(number.to_bytes(16))
            by_bucket.setdefault(bucket_of(path_of(record_key(record))), []).append(record)
        crowded = [record for records in by_bucket.values() if len(records) > 1 for record in records]
        assert crowded
        asked: list[int] = []
        read = chain.base.bucket

        def bucket(number: int) -> bytes:
            asked.append(number)
            return read(number)

        monkeypatch.setattr(chain.base, "bucket", bucket)

        committed = chain.run(chain.transaction(*(make_record(record, None) for record in crowded)))

        assert committed.receipts == (APPLIED,)
        assert {bucket_of(path_of(record_key(record))) for record in crowded} <= set(asked)
        assert len(asked) == len(set(asked))

    def test_unknown_parent_is_named(self) -> None:
        chain = TestChain()
        elsewhere = TestChain(make_genesis(idle_interval_ms=1))
        block = elsewhere.block()

        with pytest.raises(UnknownParent) as raised:
            chain.ledger.execute(block, ())
        assert raised.value.parent == elsewhere.tip

    def test_ledgers_share_executions_through_a_memo(self) -> None:
        memo: dict[object, object] = {}
        first, second = TestChain(memo=memo), TestChain(memo=memo)
        block = first.block()

        assert first.ledger.execute(block, ()) is second.ledger.execute(block, ())
        assert first.ledger.validators_after(first.tip) is second.ledger.validators_after(second.tip)

    def test_receipts_are_in_the_order_of_batches(self) -> None:
        chain = TestChain()
        batches = [
            chain.batch(chain.transaction(rename("a"), sequence=1)),
            chain.batch(chain.transaction(rename("b"), sequence=1), chain.transaction(rename("c"))),
        ]
        committed = chain.append(chain.block(*batches), batches)

        assert [receipt.error for receipt in committed.receipts] == [None, "SequenceUsed", None]
        assert [entry.position for entry in committed.entries] == [0, 1, 2]
        assert [batch.hash for batch in committed.batches] == [batch.hash for batch in batches]
        assert name_of(chain) == "c"


class TestOpenBatches:
    """What was read of a batch is kept until its block is executed, within a bound."""

    def test_batch_is_read_once(self) -> None:
        chain = TestChain()
        batch = chain.batch(chain.transaction(rename("a")))
        opened = chain.ledger.open_batch(batch)

        assert chain.ledger.open_batch(batch) is opened
        chain.append(chain.block(batch), [batch])
        assert chain.ledger.open_batch(batch) is not opened

    def test_memory_is_bounded(self) -> None:
        chain = TestChain()
        endpoints = tuple(Endpoint(f"{number}{'x' * 126}") for number in range(4))
        large = [OrgUpdate(legal_name="n" * 128, endpoints=endpoints)] * 256
        first = chain.batch(chain.transaction(*large))
        opened = chain.ledger.open_batch(first)
        for _ in range(OPEN_BYTES_MAX // len(first.encoding) + 1):
            chain.ledger.open_batch(chain.batch(chain.transaction(*large)))

        assert chain.ledger.open_batch(first) is not opened


class TestBranches:
    """Rivals live beside each other until one is final."""

    def test_rivals_do_not_see_each_other(self) -> None:
        chain = TestChain()
        batches = [chain.batch(chain.transaction(rename(name), sequence=0)) for name in ("left", "right")]
        left, right = (chain.block(batch, after_ms=1000 + index) for index, batch in enumerate(batches))
        chain.ledger.execute(left, batches[:1])
        chain.ledger.execute(right, batches[1:])

        for block, name in ((left, "left"), (right, "right")):
            member = get_member(chain.ledger.state_after(block.hash), member_id(1))
            assert member is not None
            assert member.institution.legal_name == name
        assert name_of(chain) == "Member 1"

    def test_commit_drops_rivals_and_what_stands_on_them(self) -> None:
        chain = TestChain()
        final, rival = chain.block(), chain.block(after_ms=2000)
        for block in (final, rival):
            chain.ledger.execute(block, ())
        children = [chain.block(parent=parent.hash) for parent in (final, rival)]
        for block in children:
            chain.ledger.execute(block, ())

        chain.append(final)

        assert [chain.ledger.is_executed(block.hash) for block in (final, rival, *children)] == [
            True,
            False,
            True,
            False,
        ]
        chain.append(children[0])
        assert chain.ledger.final_height == 2

    @settings(max_examples=30)
    @given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 4))
    def test_state_does_not_depend_on_when_blocks_are_folded(self, folds: list[bool], lag: int) -> None:
        genesis = make_genesis(epoch_length=4)
        prompt, late = TestChain(genesis), TestChain(genesis)
        waiting = []
        for number, fold in enumerate(folds):
            transaction = prompt.transaction(rename(f"n{number}"), sender=account(number % 4 + 1))
            batch = prompt.batch(transaction)
            block = prompt.block(batch)
            prompt.append(block, [batch])
            committed = late.append(block, [batch], fold=False)
            waiting.append(committed)
            if fold:
                for each in waiting[:lag]:
                    late.base.fold(each)
                    late.ledger.folded(each.block.header.height)
                del waiting[:lag]

            assert late.ledger.state_root_after(late.tip) == prompt.ledger.state_root_after(prompt.tip)
            assert name_of(late, number % 4 + 1) == f"n{number}"

    def test_blocks_visible_before_they_are_reported_do_no_harm(self) -> None:
        """The store may be ahead of what the ledger was told."""
        chain = TestChain()
        plain = TestChain()
        for number in range(6):
            batch = chain.batch(chain.transaction(rename(f"n{number}")))
            block = chain.block(batch)
            plain.append(block, [batch])
            committed = chain.append(block, [batch], fold=False)
            chain.base.fold(committed)
            if number % 3 == 2:
                chain.ledger.folded(block.header.height)

            assert chain.ledger.state_root_after(chain.tip) == plain.ledger.state_root_after(plain.tip)
            assert name_of(chain) == f"n{number}"


class TestRestart:
    """A ledger goes on from what its base holds."""

    def test_goes_on_where_the_base_is(self) -> None:
        chain = TestChain(make_genesis(epoch_length=5))
        for number in range(12):
            chain.run(chain.transaction(rename(f"n{number}")))
        chain.base.settle()
        again = Ledger(chain.genesis, chain.base)

        assert (again.final_hash, again.final_height) == (chain.tip, 12)
        assert again.epoch_after(again.final_hash) == chain.ledger.epoch_after(chain.tip)
        assert again.validators_after(again.final_hash).root == chain.validators.root
        block = chain.block()
        assert again.execute(block, ()).state_root == chain.ledger.execute(block, ()).state_root

    def test_other_genesis_is_refused(self) -> None:
        chain = TestChain()

        with pytest.raises(OtherChain):
            Ledger(make_genesis(idle_interval_ms=7), chain.base)


class TestHeaders:
    """L10: the state knows the hash of every block, and the last one's head."""

    def test_all_blocks_can_be_found(self) -> None:
        chain = TestChain()
        hashes = [chain.tip]
        for _ in range(5):
            hashes.append(chain.run().block.hash)

        for height, expected in enumerate(hashes):
            assert chain.ledger.block_hash_at(Height(height)) == expected
            at = chain.state.read(block_key(Height(height)), BlockAt)
            assert at == BlockAt(hash=expected)
        assert chain.ledger.block_hash_at(Height(6)) is None

    def test_head_is_of_the_last_block(self) -> None:
        chain = TestChain()
        block = chain.run().block
        head = chain.state.read(HEAD_KEY, Head)

        assert head == chain.ledger.head(block.hash)
        assert head is not None
        assert (head.height, head.block, head.time_ms) == (1, block.hash, block.header.time_ms)

    def test_genesis_block_commits_to_the_founding_state(self) -> None:
        chain = TestChain()
        header = chain.committed[0].block.header

        assert (header.height, header.epoch, header.kind) == (0, 0, BlockKind.TERMINAL)
        assert header.parent_state_root == chain.ledger.state_root_after(chain.tip)
        assert header.next_epoch_root == chain.validators.root
        assert chain.ledger.epoch_after(chain.tip) == Epoch(1)


class TestProofs:
    """L12: what the state has, or has not, at any key is proven against a root in a final header."""

    def test_proofs_hold_against_the_last_header(self) -> None:
        chain = TestChain()
        for number in range(5):
            header = chain.run(chain.transaction(rename(f"n{number}"))).block.header
            if number == 0:
                continue
            for key in (member_key(member_id(2)), b"rec/none", b"rec/other"):
                proven = chain.ledger.prove(key)

                assert proven.height == header.height - 1
                if proven.value is None:
                    assert verify_absence(header.parent_state_root, key, proven.proof)
                else:
                    assert verify_inclusion(header.parent_state_root, key, proven.value, proven.proof)

    def test_what_the_last_block_changed_waits_for_the_next(self) -> None:
        chain = TestChain()
        chain.run()
        key = member_key(member_id(1))
        chain.run(chain.transaction(rename("changed")))
        with pytest.raises(NotCertifiedYet):
            chain.ledger.prove(key)

        header = chain.run().block.header
        proven = chain.ledger.prove(key)

        assert proven.value == chain.state.get(key)
        assert isinstance(chain.state.read(key, Member), Member)
        assert proven.value is not None
        assert verify_inclusion(header.parent_state_root, key, proven.value, proven.proof)

    def test_fresh_ledger_waits_for_a_block(self) -> None:
        with pytest.raises(NotCertifiedYet):
            TestChain().ledger.prove(HEAD_KEY)

    @pytest.mark.parametrize("lag", [1, 3])
    def test_proofs_do_not_depend_on_when_blocks_are_folded(self, lag: int) -> None:
        prompt, late = TestChain(), TestChain()
        waiting = []
        for number in range(8):
            batch = prompt.batch(prompt.transaction(rename(f"n{number}"), sender=account(number % 2 + 1)))
            block = prompt.block(batch)
            prompt.append(block, [batch])
            waiting.append(late.append(block, [batch], fold=False))
            if len(waiting) > lag:
                late.base.fold(waiting.pop(0))
                late.ledger.folded(Height(block.header.height - lag))
            if number == 0:
                continue
            for key in (member_key(member_id((number + 1) % 2 + 1)), member_key(member_id(4)), b"rec/none"):
                assert late.ledger.prove(key) == prompt.ledger.prove(key)


def story() -> dict[str, object]:
    """A fixed history, and what it must lead to."""
    chain = TestChain(make_genesis(epoch_length=4))
    roots = [chain.committed[0].state_root.hex()]
    for number in range(9):
        committed = chain.run(
            chain.transaction(rename(f"name {number}"), sender=account(number % 4 + 1)),
            voters=[0, 1, 2] if number % 2 else None,
        )
        roots.append(committed.state_root.hex())
    return {
        "chain_id": chain.genesis.chain_id.hex(),
        "state_roots": roots,
        "tip": chain.tip.hex(),
        "table_root": chain.validators.root.hex(),
    }


class TestVectors:
    """L13: the same history leads to the same roots, on every machine and in every process."""

    def test_history_leads_to_the_recorded_roots(self) -> None:
        assert story() == json.loads(VECTORS.read_text())

    @pytest.mark.parametrize("seed", ["0", "1"])
    def test_hash_seed_does_not_matter(self, seed: str) -> None:
        code = "import json; from tests.ledger.test_ledger import story; print(json.dumps(story()))"
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent.parent.parent,
        )

        assert json.loads(result.stdout) == json.loads(VECTORS.read_text())
