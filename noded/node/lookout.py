"""A4: what peers say of how far the chain is, before this node signs anything."""

from collections.abc import Mapping

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
        told = sum(validators.power(peer) for peer in self._heights if peer in validators)
        own = validators.power(me) if me in validators else 0
        return height_reached(self._heights, validators) if validators.is_quorum(own + told) else None


def height_reached(heights: Mapping[PeerId, Height], validators: ValidatorSet) -> Height:
    """The greatest height that validators with more than f of the power say they have reached."""
    told = ((height, validators.power(peer)) for peer, height in heights.items() if peer in validators)
    reached = 0
    for height, power in sorted(told, reverse=True):
        reached += power
        if validators.is_weak_quorum(reached):
            return height
    return Height(0)
