"""
The settings, section by section: names, types, defaults, what they mean.

A description here is what `noded config schema` says and what the default file has above the key. Values marked
`Reloadable` take effect when the running node reads its settings again; all others need a restart.
"""

from enum import Enum, auto
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, model_validator
from pydantic.json_schema import SkipJsonSchema

from noded.api.settings import ApiSettings
from noded.network.addresses import parse_address

INSTITUTION_DIGITS = 32
"""Hexadecimal digits of an institution's id."""

HASH_DIGITS = 64
HEIGHT_DIGITS_MAX = 12


class When(Enum):
    """When a changed value takes effect."""

    RELOAD = auto()


Reloadable = When.RELOAD


def _checked_address(address: str) -> str:
    parse_address(address)
    return address


def _checked_optional_address(address: str) -> str:
    return _checked_address(address) if address else address


def _checked_bootstrap(peer: str) -> str:
    institution, at, address = peer.partition("@")
    if not at or not _is_institution(institution):
        raise ValueError(f"{peer!r} is not ID@host:port with an institution's id of 32 hexadecimal digits")
    parse_address(address)
    return peer


def _checked_institution(institution: str) -> str:
    if institution and not _is_institution(institution):
        raise ValueError(f"{institution!r} is not an institution's id of 32 hexadecimal digits")
    return institution


def _is_institution(text: str) -> bool:
    return len(text) == INSTITUTION_DIGITS and all(digit in "0123456789abcdef" for digit in text)


def _checked_checkpoint(checkpoint: str) -> str:
    height, _, name = checkpoint.partition(":")
    if checkpoint and not (
        height.isdecimal()
        and len(height) <= HEIGHT_DIGITS_MAX
        and len(name) == HASH_DIGITS
        and all(digit in "0123456789abcdef" for digit in name)
    ):
        raise ValueError("expected HEIGHT:HASH, with a hash of 64 hexadecimal digits")
    return checkpoint


def _checked_passphrase(source: str) -> str:
    kind, _, rest = source.partition(":")
    if source in ("none", "credential") or (kind == "file" and rest) or (kind == "fd" and rest.isdecimal()):
        return source
    raise ValueError("expected credential, file:PATH, fd:NUMBER or none")


Address = Annotated[str, AfterValidator(_checked_address)]
OptionalAddress = Annotated[str, AfterValidator(_checked_optional_address)]
"""``host:port``; empty for not at all."""


class Section(BaseModel):
    """Settings under one heading; unknown keys are refused, values are of the type that they look like."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NodeSection(Section):
    """What this node is."""

    genesis: str = Field(
        default="genesis.cbor", description="The founding document of the chain; a file in the home."
    )
    keys: str = Field(default="keys", description="Folder of the keystore.")
    institution: Annotated[str, AfterValidator(_checked_institution)] = Field(
        default="",
        description="Id of this institution, 32 hexadecimal digits; needed only if it was admitted after genesis.",
    )
    checkpoint: Annotated[str, AfterValidator(_checked_checkpoint)] = Field(
        default="",
        description="A block that must be on the chain, as HEIGHT:HASH from someone trusted; a snapshot without it, or a store, is refused.",
    )
    passphrase: Annotated[str, AfterValidator(_checked_passphrase)] = Field(
        default="credential",
        description="Where the keystore's passphrase comes from: credential (systemd), file:PATH, fd:NUMBER, or none for keys that are not encrypted.",
    )


class NetworkSection(Section):
    """How this node and its peers reach each other."""

    listen: Address = Field(default="0.0.0.0:9470", description="Where peers connect to, as host:port.")
    bootstrap: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_bootstrap)], ...], Strict(False), Reloadable
    ] = Field(
        default=(),
        max_length=64,
        description="Peers to begin with, as ID@host:port: better known here than in the ledger's table of endpoints.",
    )


class ApiSection(Section):
    """The HTTP API. The unix socket in the home is always there; it needs no token and is for this user and root."""

    listen: OptionalAddress = Field(
        default="", description="Where HTTP clients connect to, as host:port; empty for the unix socket only."
    )
    tls_certificate: str = Field(
        default="",
        description="Certificate chain in PEM; with tls_key. Needed to listen beyond the loopback address. A reload reads both files again.",
    )
    tls_key: str = Field(default="", description="Private key of the certificate, in PEM.")
    connections_max: Annotated[int, Reloadable] = Field(
        default=256,
        ge=1,
        le=4096,
        description="Connections over TCP at a time; further ones are closed at once.",
    )
    connections_per_client_max: Annotated[int, Reloadable] = Field(
        default=64, ge=1, le=4096, description="Connections of one address at a time."
    )
    requests_per_s: Annotated[int, Reloadable] = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Requests a second of one token, or of one address without a token.",
    )
    requests_burst: Annotated[int, Reloadable] = Field(
        default=2000, ge=1, le=1_000_000, description="Requests that may come at once."
    )

    @model_validator(mode="after")
    def _check_tls(self) -> "ApiSection":
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.listen and not self.tls_certificate and not _is_loopback(self.listen):
            raise ValueError(
                "listening beyond 127.0.0.1 needs tls_certificate and tls_key: tokens would travel in clear"
            )
        return self


class StorageSection(Section):
    """What is kept on the disk."""

    keep_blocks: Annotated[int, Reloadable] = Field(
        default=0,
        ge=0,
        le=1 << 40,
        description="Newest blocks whose transactions are kept; older ones keep header, proof and effect. 0 for all.",
    )
    reserve_mib: int = Field(
        default=1024,
        ge=16,
        le=1 << 20,
        description="Space on the disk that records never take, so that the ledger can go on.",
    )


class LogSection(Section):
    """What the node tells the operator."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Reloadable] = Field(
        default="info", description="Least severity that is written: debug, info, warning or error."
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="console, json, or auto: json unless the output is a terminal."
    )


class MetricsSection(Section):
    """Figures for Prometheus."""

    listen: OptionalAddress = Field(
        default="",
        description="Where Prometheus finds /metrics, as host:port; empty for the unix socket only.",
    )


class NodeConfig(Section):
    """All settings of one node, checked."""

    home: SkipJsonSchema[Path] = Field(exclude=True)
    """Folder of the node; where it is says how the node was started, never the file within it."""
    node: NodeSection = NodeSection()
    network: NetworkSection = NetworkSection()
    api: ApiSection = ApiSection()
    storage: StorageSection = StorageSection()
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()

    def path(self, name: str) -> Path:
        """A path from the settings: as it is if it is absolute, else within the home."""
        return self.home / name

    def api_settings(self) -> ApiSettings:
        """What the API is served with."""
        api = self.api
        return ApiSettings(
            home=self.home,
            listen=parse_address(api.listen) if api.listen else None,
            metrics_listen=parse_address(self.metrics.listen) if self.metrics.listen else None,
            tls_certificate=self.path(api.tls_certificate) if api.tls_certificate else None,
            tls_key=self.path(api.tls_key) if api.tls_key else None,
            connections_max=api.connections_max,
            connections_per_client_max=api.connections_per_client_max,
            requests_per_s=api.requests_per_s,
            requests_burst=api.requests_burst,
        )


def _is_loopback(address: str) -> bool:
    host, _ = parse_address(address)
    return host in ("localhost", "::1") or host.startswith("127.")
