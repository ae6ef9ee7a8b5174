"""A4: what peers say of how far the chain is, before this node signs anything."""

from noded.types.ids import Height, InstitutionId, PeerId
from noded.types.validator_set import ValidatorSet


class Lookout:
    """How far the validators said that they are, since this process began."""

    __slots__ = ("_heights",)

    def __init__(self) -> None:
        self._heights: dict[PeerId, Height] = {}

    def on_status(self, peer: PeerId, height: Height, validators: ValidatorSet) -> None:
        """Note how far a validator is; what others say does not count."""
        if peer in validators:
            self._heights[peer] = height

    def height(self, me: InstitutionId, validators: ValidatorSet) -> Height | None:
        """
        The height up to which this node must have all blocks before it signs.

        The greatest that members with more than f of the power reach, so that no faulty ones put it off by a lie; None
        until those who spoke are a quorum together with this node, without whom it could not bring about anything.
        """
        told = sorted(
            (
                (height, validators.power(peer))
                for peer, height in self._heights.items()
                if peer in validators
            ),
            reverse=True,
        )
        own = validators.power(me) if me in validators else 0
        if not validators.is_quorum(own + sum(power for _, power in told)):
            return None
        reached = 0
        for height, power in told:
            reached += power
            if validators.is_weak_quorum(reached):
                return height
        return Height(0)
