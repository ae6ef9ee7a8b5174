"""Network parameters: what their types do not say, and those of the next epoch."""

from noded.types.genesis import NetworkParameters


def why_contradictory(parameters: NetworkParameters, validators: int) -> str | None:
    """Why parameters contradict each other or the number of validators; None when they do not (L110)."""
    most = max(1, (validators - 1) // 3)
    if parameters.k_min > most:
        return f"k_min must be 1…{most} with {validators} validators"
    return None
