"""Settings for people and for tools: as TOML, as differences, as a schema; and what a reload may change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noded.config.loading import load
from noded.config.model import NodeConfig, Reloadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A setting whose value differs."""

    key: str
    """``section.key``."""
    old: Any
    new: Any
    needs_restart: bool
    """Whether a running node goes on with the old value until it is started again."""


def show(config: NodeConfig) -> str:
    """All settings in force, as a file that would give them; there are no secrets among them."""
    parts = []
    for section, entries in config.model_dump().items():
        lines = [f"{key} = {_literal(value)}" for key, value in entries.items()]
        parts.append("\n".join((f"[{section}]", *lines)))
    return "\n\n".join(parts) + "\n"


def diff(old: NodeConfig, new: NodeConfig) -> tuple[Change, ...]:
    """The settings that differ, in order of the file."""
    before, after = old.model_dump(), new.model_dump()
    return tuple(
        Change(
            key=f"{section}.{key}",
            old=value,
            new=after[section][key],
            needs_restart=not _is_reloadable(new, section, key),
        )
        for section, entries in before.items()
        for key, value in entries.items()
        if after[section][key] != value
    )


def reload(
    old: NodeConfig, environment: Mapping[str, str], *, file: Path | None = None
) -> tuple[NodeConfig, tuple[Change, ...]]:
    """
    The settings after reading them again: what can change in a running node is new, the rest stays.

    Returns:
        The settings to go on with, and all changes found; those that need a restart are not in the settings.

    Raises:
        InvalidConfig: The new ones cannot be used; go on with the old.
    """
    new = load(old.home, environment, file=file)
    changes = diff(old, new)
    sections: dict[str, Any] = {}
    for change in changes:
        if not change.needs_restart:
            section, key = change.key.split(".")
            sections.setdefault(section, {})[key] = change.new
    updated = {
        section: getattr(old, section).model_copy(update=entries) for section, entries in sections.items()
    }
    return old.model_copy(update=updated), changes


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return NodeConfig.model_json_schema()


def _is_reloadable(config: NodeConfig, section: str, key: str) -> bool:
    field = type(getattr(config, section)).model_fields[key]
    return any(extra is Reloadable for extra in field.metadata)


def _literal(value: Any) -> str:
    """A value in TOML; JSON's strings and numbers are among TOML's."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False)
