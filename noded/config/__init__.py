"""One node's own settings: a file, the environment, defaults; nothing in them that must be equal on all nodes."""

from noded.config.loading import (
    CONFIG_NAME,
    InvalidConfig,
    Problem,
    default_text,
    load,
    load_text,
)
from noded.config.model import NodeConfig
from noded.config.showing import Change, diff, reload, schema, show

__all__ = [
    "CONFIG_NAME",
    "Change",
    "InvalidConfig",
    "NodeConfig",
    "Problem",
    "default_text",
    "diff",
    "load",
    "load_text",
    "reload",
    "schema",
    "show",
]
