"""What the API is served with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TOKENS_NAME: Final = "tokens.json"
"""The file of bearer tokens, hashed, in a node's home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Where the API listens and what a client may use of it."""

    home: Path
    """The folder with the socket and the tokens."""
    listen: tuple[str, int] | None
    """Host and port; None for the unix socket only."""
    metrics_listen: tuple[str, int] | None
    """Where /metrics, /livez and /readyz are served to everyone; None for nowhere."""
    tls_certificate: Path | None
    tls_key: Path | None
    """Given exactly if the certificate is."""
    connections_max: int
    """Over TCP."""
    connections_per_client_max: int
    """Of one address."""
    requests_per_s: int
    """Of one token, or of one address without a token."""
    requests_burst: int
