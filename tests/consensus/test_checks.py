"""R14: signatures are gathered over a step and judged in one go."""

from noded.consensus.checks import PEER_CHECKS_MAX, CheckQueue
from noded.consensus.effects import (
    CertificateCheck,
    CreditsCheck,
    Effect,
    Verify,
    signatures_of,
)
from noded.types.block import Block, LateCredit
from noded.types.checks import SignatureCheck
from noded.types.ids import PublicKey, Signature
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import (
    CHAIN_ID,
    equal_set,
    is_good,
    make_block,
    make_certificate,
    make_genesis,
    make_vote,
    validator_id,
)

SET = equal_set(4)


def check(number: int) -> SignatureCheck:
    return SignatureCheck(PublicKey(bytes(32)), bytes([number]), Signature(bytes(64)))


class TestQueue:
    def test_one_effect_for_all_and_each_gets_its_verdicts(self) -> None:
        queue = CheckQueue()
        seen: list[tuple[str, tuple[bool, ...]]] = []
        queue.ask((check(1), check(2)), lambda results: seen.append(("first", results)))
        queue.ask((check(3),), lambda results: seen.append(("second", results)))
        out: list[Effect] = []

        queue.flush(out)
        queue.flush(out)

        assert out == [Verify(2, (check(1), check(2), check(3)))]
        queue.verified(2, (True, False, True))
        assert seen == [("first", (True, False)), ("second", (True,))]

    def test_tokens_are_even_and_new(self) -> None:
        queue = CheckQueue()
        out: list[Effect] = []
        for _ in range(3):
            queue.ask((check(1),), lambda results: None)
            queue.flush(out)

        assert [effect.token for effect in out if isinstance(effect, Verify)] == [2, 4, 6]

    def test_what_was_forgotten_is_not_told(self) -> None:
        queue = CheckQueue()
        seen: list[tuple[bool, ...]] = []
        out: list[Effect] = []
        queue.ask((check(1),), seen.append)
        queue.flush(out)

        queue.forget()
        queue.verified(2, (True,))

        assert seen == []
        assert queue.waiting_count == 0

    def test_an_account_is_bounded_until_verdicts_come(self) -> None:
        queue = CheckQueue()
        peer = validator_id(1)
        out: list[Effect] = []
        while queue.may_ask(peer):
            queue.ask((check(1), check(2)), lambda results: None, peer)
        queue.flush(out)
        assert sum(len(effect.checks) for effect in out if isinstance(effect, Verify)) == PEER_CHECKS_MAX
        assert queue.may_ask(validator_id(2))

        queue.verified(2, (True,) * PEER_CHECKS_MAX)

        assert queue.may_ask(peer)


class TestSignaturesOf:
    def test_a_certificate_s_are_those_that_are_not_known(self) -> None:
        certificate = make_certificate(SET, VoteKind.NULLIFY, view=3, voters=(0, 2, 3))

        all_of_it = signatures_of(CertificateCheck(CHAIN_ID, certificate, SET))
        rest = signatures_of(CertificateCheck(CHAIN_ID, certificate, SET, known=0b0101))

        assert [one.public_key for one in all_of_it] == [
            SET.public_key(validator_id(voter)) for voter in (0, 2, 3)
        ]
        assert rest == all_of_it[2:]
        assert all(is_good(one) for one in all_of_it)

    def test_a_block_s_are_those_of_its_credits(self) -> None:
        block = make_block(SET, view=1, parent=make_genesis(SET))
        vote = make_vote(2, VoteKind.FINALIZE, view=1, block=block)
        credit = LateCredit(
            kind=vote.kind,
            view=vote.view,
            block_hash=block.hash,
            voter=vote.voter,
            signature=vote.signature,
        )
        body = type(block.body)(payload=(), parent=None, skipped=(), credits=(credit,), evidence=())

        (one,) = signatures_of(CreditsCheck(CHAIN_ID, Block(header=block.header, body=body), SET))

        assert is_good(one)

    def test_a_single_one_is_itself(self) -> None:
        assert signatures_of(check(1)) == [check(1)]
