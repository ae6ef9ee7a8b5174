"""What the consensus key refuses to sign, and what is wrong with a key's file."""

from noded.errors import UnsafeToSign


class BelowWatermark(UnsafeToSign):
    """Nothing new is signed at or below the watermark: what was signed there may be forgotten here (K4)."""

    def __init__(self, *, epoch: int, view: int) -> None:
        super().__init__(f"epoch {epoch} view {view} is not above the watermark; go on from a later view")
        self.epoch = epoch
        self.view = view


class ConflictingVote(UnsafeToSign):
    """The key voted otherwise in this view (K1, K2)."""

    def __init__(self, *, epoch: int, view: int, wanted: str, signed: str) -> None:
        super().__init__(f"{wanted} in epoch {epoch} view {view} contradicts this key's {signed} there")
        self.epoch = epoch
        self.view = view
        self.wanted = wanted
        self.signed = signed


class ConflictingProposal(UnsafeToSign):
    """The key proposed another block in this view (K3)."""

    def __init__(self, *, epoch: int, view: int) -> None:
        super().__init__(f"this key proposed another block in epoch {epoch} view {view}")
        self.epoch = epoch
        self.view = view
