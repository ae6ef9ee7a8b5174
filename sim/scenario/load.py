"""Reading scenarios: TOML, overrides, and errors that name the key and what it could have been."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from noded.errors import ConfigError
from sim.scenario.model import Scenario

SCENARIO_BYTES_MAX = 4 * 1024 * 1024
"""A shrunk or traced scenario lists every fault; more than this is no scenario."""


def load_scenario(path: Path, overrides: Mapping[str, object] | None = None) -> Scenario:
    """
    Read a scenario file.

    Args:
        path: A TOML file.
        overrides: Values by dotted key, which replace the file's.

    Raises:
        ConfigError: There is no such file, or a key or value in it is wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(data) > SCENARIO_BYTES_MAX:
        raise ConfigError(
            f"{path}: {len(data)} bytes are more than a scenario may have ({SCENARIO_BYTES_MAX})"
        )
    try:
        plain = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        return make_scenario(plain, overrides)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def make_scenario(plain: Mapping[str, Any], overrides: Mapping[str, object] | None = None) -> Scenario:
    """
    A scenario from plain values.

    Raises:
        ConfigError: A key or value is wrong; the message names it.
    """
    tree = _copy(plain)
    for key, value in (overrides or {}).items():
        _put(tree, key, _copy(value))
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(detail) for detail in error.errors())) from None


def parse_override(text: str) -> tuple[str, object]:
    """
    Read `key=value`; the value is TOML, or text where it is none.

    Raises:
        ConfigError: There is no equals sign.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise ConfigError(f"--set {text}: wanted key=value, as in nodes.count=50")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value


def _put(tree: dict[str, Any], key: str, value: object) -> None:
    """Set a dotted key; a number selects an item of a list."""
    *path, last = key.split(".")
    at: Any = tree
    for part in path:
        if isinstance(at, list):
            at = at[_index(at, part, key)]
            continue
        if not isinstance(at.get(part), dict | list):
            at[part] = {}
        at = at[part]
    if isinstance(at, list):
        at[_index(at, last, key)] = value
    else:
        at[last] = value


def _index(items: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise ConfigError(f"{key}: no item {part!r} in a list of {len(items)}")
    return int(part)


def _explain(detail: ErrorDetails) -> str:
    key, siblings = _walk(detail["loc"])
    if detail["type"] == "extra_forbidden":
        last = key.rpartition(".")[2]
        elsewhere = [known for known in _section_keys() if known.rpartition(".")[2] == last]
        nearest = elsewhere or get_close_matches(last, siblings, n=1, cutoff=0.0)
        return f"unknown key {key!r}; the nearest known one is {' or '.join(map(repr, nearest))}"
    if detail["type"] == "union_tag_not_found":
        return (
            f"{key}: no {detail['ctx']['discriminator'].strip(chr(39))}, which says what the other keys mean"
        )
    message = detail["msg"].removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]}"


def _walk(location: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """The dotted key of a location in the models, and the keys that are known where it stands."""
    models: list[type[BaseModel]] = [Scenario]
    path: list[str] = []
    for part in location:
        tagged = [model for model in models if part in _tags(model)]
        if tagged:  # Not a key: the kind of the table that we are in.
            models = tagged
            continue
        path.append(str(part))
        siblings = [field.alias or name for model in models for name, field in model.model_fields.items()]
        found = [
            inner
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in((field.annotation, *field.metadata))
        ]
        models = found or models
    return ".".join(path), siblings


def _section_keys() -> list[str]:
    """The dotted keys of the scenario and of its tables that are no lists."""
    keys = []
    for name, field in Scenario.model_fields.items():
        keys.append(name)
        if get_origin(field.annotation) is not list:
            keys += [
                f"{name}.{inner}" for model in _models_in(field.annotation) for inner in model.model_fields
            ]
    return keys


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    for name in ("kind", "model"):
        field = model.model_fields.get(name)
        if field is not None and field.is_required():
            return tuple(str(value) for value in get_args(field.annotation))
    return ()


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    parts = annotation if isinstance(annotation, tuple) else get_args(annotation)
    return [model for part in parts for model in _models_in(part)]
