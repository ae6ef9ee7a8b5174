"""The consortium's network: members only, long-lived streams, everything bounded; see README.md."""

from noded.network.interface import (
    Handler,
    InstitutionId,
    Lane,
    LaneStatistics,
    Network,
    NetworkError,
    PeerInfo,
    PeerStatistics,
    PeerUnavailable,
    RequestRefused,
    RequestTimedOut,
)

__all__ = [
    "Handler",
    "InstitutionId",
    "Lane",
    "LaneStatistics",
    "Network",
    "NetworkError",
    "PeerInfo",
    "PeerStatistics",
    "PeerUnavailable",
    "RequestRefused",
    "RequestTimedOut",
]
