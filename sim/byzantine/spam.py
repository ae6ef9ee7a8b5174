"""Spam: put evidence that earlier blocks carried into every block again."""

from collections import deque
from dataclasses import replace

from noded.node.effects import CommitBlocks, Effect, Send
from noded.node.inputs import Input
from noded.node.settings import ENCLOSED_EVIDENCE_MAX
from noded.types.block import Block, BlockKind, evidence_root
from noded.types.evidence import Evidence
from noded.types.messages import Proposal
from sim.byzantine.base import Behaviour


class Spam(Behaviour):
    """Its blocks carry as much evidence as one may, though all of it is counted already."""

    def prepare(self) -> None:
        """Keep what final blocks carried last."""
        self.known: deque[Evidence] = deque(maxlen=ENCLOSED_EVIDENCE_MAX)

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Fill its own proposals."""
        done: list[Effect] = []
        for effect in effects:
            if isinstance(effect, CommitBlocks):
                for committed in effect.blocks:
                    self.known += [each for each in committed.block.body.evidence if each not in self.known]
            if isinstance(effect, Send) and isinstance(effect.message, Proposal):
                effect = Send(effect.peers, self._filled(effect.message))
            done.append(effect)
        return done

    def _filled(self, proposal: Proposal) -> Proposal:
        block = proposal.block
        if not self.is_mine(proposal) or block.header.kind is BlockKind.SEAL:
            return proposal
        fresh = block.body.evidence
        evidence = (*fresh, *(each for each in self.known if each not in fresh))[:ENCLOSED_EVIDENCE_MAX]
        body = replace(block.body, evidence=evidence)
        header = replace(block.header, evidence_root=evidence_root(evidence))
        return self.sign(proposal, Block(header=header, body=body))
