"""Exclude: gather certificates without the victims' votes, so that these seem absent."""

from noded.node.inputs import Input, MessageReceived
from noded.types.messages import Votes
from sim.byzantine.base import Behaviour


class Exclude(Behaviour):
    """Does not hear its victims' votes."""

    def hears(self, event: Input) -> bool:
        """Everything but victims' votes."""
        return not (
            isinstance(event, MessageReceived)
            and isinstance(event.message, Votes)
            and event.peer in self.victims
        )
