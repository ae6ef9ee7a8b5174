"""Writing scenarios as TOML, for people to read and for `load_scenario` to read back."""

import json
import re
from collections.abc import Mapping
from typing import Any

from sim.scenario.model import Scenario

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dump_scenario(scenario: Scenario) -> str:
    """TOML of a scenario, without what stands at its default."""
    plain = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for section, of in (("fault", scenario.fault), ("byzantine", scenario.byzantine), ("act", scenario.act)):
        if of:
            plain[section] = [
                {"kind": item.kind, **row} if hasattr(item, "kind") else row
                for item, row in zip(of, plain[section], strict=True)
            ]
    return dump_toml(plain)


def dump_toml(plain: Mapping[str, Any]) -> str:
    """TOML of plain values: scalars first, then tables, then arrays of tables."""
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items() if not _is_section(value)]
    for key, value in plain.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(key)}]"]
            lines += [f"{_key(name)} = {_value(inner)}" for name, inner in value.items()]
        elif _is_section(value):
            for row in value:
                lines += ["", f"[[{_key(key)}]]"]
                lines += [f"{_key(name)} = {_value(inner)}" for name, inner in row.items()]
    return "\n".join(lines) + "\n"


def _is_section(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}")
