"""R17: votes that came after their certificate are credited by later blocks, so nobody loses by being slow."""

from functools import partial

from noded.consensus.errors import BadSignature
from noded.consensus.rules import late_votes_known
from noded.consensus.state import EpochState
from noded.consensus.tally import Tally
from noded.consensus.tree import LATE_VIEWS, Entry
from noded.types.block import CREDITS_MAX, JustifyLeaf, LateCredit
from noded.types.checks import SignatureCheck
from noded.types.ids import View
from noded.types.vote import Vote, VoteKind


def choose_credits(state: EpochState, base: Entry, leaf: JustifyLeaf | None) -> tuple[LateCredit, ...]:
    """The verified late votes that a block on top of `base` may credit, the oldest first; they expire first."""
    chosen = [
        LateCredit(
            kind=vote.kind,
            view=vote.view,
            block_hash=vote.block_hash,
            voter=vote.voter,
            signature=vote.signature,
        )
        for vote, index, tally in _candidates(state, base, leaf, state.view)
        if tally.verified >> index & 1 and vote.block_hash is not None
    ]
    chosen = chosen[:CREDITS_MAX]
    chosen.sort(key=lambda credit: (credit.view, credit.voter))
    return tuple(chosen)


def verify_candidates(state: EpochState, base: Entry | None) -> None:
    """Have late votes verified while a certificate is: this node proposes next, on top of `base` if it is known."""
    if base is None:
        return
    wanted = [
        (vote, index, tally)
        for vote, index, tally in _candidates(state, base, None, View(state.view + 1))
        if not tally.verified >> index & 1
    ][:CREDITS_MAX]
    if not wanted:
        return
    chain_id = state.facts.chain_id
    rows = state.validators.table.validators
    checks = tuple(
        SignatureCheck(rows[index].public_key, vote.signing_bytes(chain_id), vote.signature)
        for vote, index, _ in wanted
    )
    state.checks.ask(checks, partial(_on_checked, state, wanted))


def _on_checked(state: EpochState, wanted: list[tuple[Vote, int, Tally]], results: tuple[bool, ...]) -> None:
    for (vote, index, tally), is_good in zip(wanted, results, strict=True):
        judge_vote(state, tally, index, vote, is_good=is_good)


def judge_vote(state: EpochState, tally: Tally, index: int, vote: Vote, *, is_good: bool) -> None:
    """R14: a single vote's verdict is there; who signed badly is verified before it counts from now on."""
    if tally.votes.get(index) is not vote:
        return  # Another check was faster.
    if is_good:
        tally.verified |= 1 << index
    elif not tally.verified >> index & 1:
        tally.remove(index, state.validators.powers[index])
        state.view_votes(vote.view).first[vote.kind].pop(index, None)
        state.suspects |= 1 << index
        state.penalize(vote.voter, BadSignature)


def _candidates(
    state: EpochState, base: Entry, leaf: JustifyLeaf | None, view: View
) -> list[tuple[Vote, int, Tally]]:
    """Votes for ancestors within the window that no certificate and no credit on this chain counts; N before F."""
    oldest = View(max(1, view - LATE_VIEWS, base.known_from))
    if leaf is None:
        if base.parent is None:
            return []
        base, leaf = base.parent, base.block.body.parent
    voted, credited = late_votes_known(base, leaf, oldest)
    found: list[tuple[Vote, int, Tally]] = []
    for at in sorted(voted):
        block_hash, bitmap = voted[at]
        votes = state.view_votes(at)
        taken: dict[int, None] = {}
        for kind in (VoteKind.NOTARIZE, VoteKind.FINALIZE):
            tally = votes.tallies[kind].get(block_hash)
            if tally is None:
                continue
            for index, vote in tally.votes.items():
                if (
                    not bitmap[index >> 3] >> (index & 7) & 1
                    and index not in taken
                    and (at, vote.voter) not in credited
                ):
                    taken[index] = None
                    found.append((vote, index, tally))
        if len(found) >= 2 * CREDITS_MAX:
            break
    return found
