"""What consensus and payloads take from the network's parameters; they hold for an epoch at a time."""

from noded.consensus.params import ConsensusParams
from noded.node.payload import PayloadLimits
from noded.types.genesis import NetworkParameters


def consensus_params(parameters: NetworkParameters) -> ConsensusParams:
    """What consensus takes from the network's parameters."""
    return ConsensusParams(
        routing=parameters.routing,
        delta_ms=parameters.delta_ms,
        block_interval_ms=parameters.block_interval_ms,
        idle_interval_ms=parameters.idle_interval_ms,
        drift_ms=parameters.drift_ms,
        epoch_length=parameters.epoch_length,
        silent_views=parameters.silent_views,
        view_timeout_ms=parameters.view_timeout_ms or None,
    )


def payload_limits(parameters: NetworkParameters) -> PayloadLimits:
    """What payloads take from the network's parameters."""
    return PayloadLimits(
        block_bytes_max=parameters.block_bytes_max,
        block_operations_max=parameters.block_operations_max,
        batch_expiry_ms=parameters.batch_expiry_ms,
        patience_ms=max(1, parameters.delta_ms // 4),
        drift_ms=parameters.drift_ms,
    )
