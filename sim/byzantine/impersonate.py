"""Impersonate: vote and propose in the names of others, with signatures that they never made or made elsewhere."""

from dataclasses import replace

from noded.node.effects import Effect, Send
from noded.node.inputs import Input, MessageReceived
from noded.types.messages import Proposal, Votes
from noded.types.vote import Vote
from sim.byzantine.base import Behaviour


class Impersonate(Behaviour):
    """Beside its own votes it sends some in others' names; it passes on votes it heard as if it might."""

    def prepare(self) -> None:
        """Nothing was heard or said yet."""
        self._heard: Vote | None = None

    def hears(self, event: Input) -> bool:
        """Remember a vote of somebody else."""
        if isinstance(event, MessageReceived) and isinstance(event.message, Votes) and event.message.votes:
            self._heard = event.message.votes[0]
        return True

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Add what others never said."""
        done = list(effects)
        for effect in effects:
            if not isinstance(effect, Send):
                continue
            if isinstance(effect.message, Votes) and effect.message.votes:
                name = self.stream.choice(self.others)
                forged = replace(effect.message.votes[0], voter=name)
                copied = () if self._heard is None else (self._heard,)
                done.append(Send(effect.peers, Votes(votes=(forged, *copied), certificates=())))
            elif isinstance(effect.message, Proposal) and self.is_mine(effect.message):
                header = effect.message.block.header
                stranger = replace(
                    effect.message,
                    block=replace(
                        effect.message.block, header=replace(header, proposer=self.stream.choice(self.others))
                    ),
                )
                done.append(Send((self.stream.choice(self.others),), stranger))
        return done
