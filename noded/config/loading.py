"""
Reading settings: defaults, then the file in the home, then the environment.

NODED_SECTION__KEY in the environment overrides `key` of `[section]`. Every mistake is reported, not only the first,
each with the place where it stands.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from noded.config.model import NodeConfig, Section
from noded.errors import ConfigError

CONFIG_NAME: Final = "config.toml"
"""The settings' file in a node's home."""

CONFIG_BYTES_MAX: Final = 1024 * 1024
"""A settings file with every bootstrap peer has 10 KiB; anything larger is another file."""

ENVIRONMENT_PREFIX: Final = "NODED_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with the settings."""

    source: str
    """File, or variable of the environment."""
    key: str
    """``section.key``, or whatever stands in its place; empty for the source as a whole."""
    why: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.why) if part)


class InvalidConfig(ConfigError):
    """The settings cannot be used; nothing of them was."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Given:
    """A value that somebody set."""

    value: Any
    source: str


def default_text() -> str:
    """The documented default file, as `noded init` writes it."""
    return Path(__file__).with_name("default.toml").read_text("utf-8")


def load(home: Path, environment: Mapping[str, str], *, file: Path | None = None) -> NodeConfig:
    """
    The settings of the node in a home.

    Args:
        home: Folder of the node.
        environment: Of the process; names with the prefix and a section.
        file: Another file than the home's own, which then must exist.

    Raises:
        InvalidConfig: They cannot be used, or there is no such home.
    """
    path = file or home / CONFIG_NAME
    try:
        with path.open("rb") as opened:
            data = opened.read(CONFIG_BYTES_MAX + 1)
    except FileNotFoundError:
        if file is not None:
            raise _one(str(path), "", "there is no such file") from None
        if not home.is_dir():
            raise _one(
                str(home), "", "there is no home here; name another, or make one with `noded init`"
            ) from None
        data = b""
    except OSError as error:
        raise _one(str(path), "", f"it cannot be read ({error.strerror})") from error
    if len(data) > CONFIG_BYTES_MAX:
        raise _one(str(path), "", f"it has more than {CONFIG_BYTES_MAX} bytes, so it is something else")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _one(str(path), "", f"it is not UTF-8 at byte {error.start}") from error
    return load_text(text, home=home, environment=environment, source=str(path))


def load_text(
    text: str, *, home: Path, environment: Mapping[str, str], source: str = CONFIG_NAME
) -> NodeConfig:
    """
    The settings that a file with this text would give.

    Raises:
        InvalidConfig: They cannot be used.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _one(source, "", f"it is not TOML: {error}") from error
    problems: list[Problem] = []
    given: dict[str, dict[str, _Given]] = {name: {} for name in _sections()}
    _take_file(document, source, given, problems)
    _take_environment(environment, given, problems)
    values = {section: {key: one.value for key, one in entries.items()} for section, entries in given.items()}
    try:
        config = NodeConfig.model_validate({"home": home, **values})
    except ValidationError as error:
        problems += [_explain(each, given, source) for each in error.errors(include_url=False)]
    if problems:
        raise InvalidConfig(tuple(problems))
    return config


def _sections() -> dict[str, type[Section]]:
    """The sections by name."""
    found: dict[str, type[Section]] = {}
    for name, field in NodeConfig.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found[name] = kind
    return found


def _take_file(
    document: Mapping[str, Any], source: str, given: dict[str, dict[str, _Given]], problems: list[Problem]
) -> None:
    sections = _sections()
    for name, entries in document.items():
        if name not in sections:
            problems.append(_unknown(source, name, list(sections)))
        elif not isinstance(entries, dict):
            problems.append(Problem(source=source, key=name, why=f"it is a section; write [{name}]"))
        else:
            known = list(sections[name].model_fields)
            for key, value in entries.items():
                if key in known:
                    given[name][key] = _Given(value, source)
                else:
                    problems.append(_unknown(source, f"{name}.{key}", _all_keys()))


def _take_environment(
    environment: Mapping[str, str], given: dict[str, dict[str, _Given]], problems: list[Problem]
) -> None:
    sections = _sections()
    for variable in sorted(environment):
        name, parts, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if not parts:
            problems += _half_named(variable)
            continue
        if name not in sections or key not in sections[name].model_fields:
            problems.append(_unknown(variable, f"{name}.{key}", _all_keys()))
            continue
        try:
            value = _from_text(sections[name].model_fields[key], environment[variable])
        except ValueError as error:
            problems.append(Problem(source=variable, key=f"{name}.{key}", why=str(error)))
        else:
            given[name][key] = _Given(value, variable)


def _half_named(variable: str) -> Iterator[Problem]:
    """What is wrong with NODED_LOG_LEVEL: one underscore makes it another program's variable, and nobody notices."""
    near = {name.upper(): f"{ENVIRONMENT_PREFIX}{name.upper()}__" for name in _sections()}
    section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).partition("_")
    if section in near and key:
        why = f"two underscores stand between section and key; did you mean {near[section]}{key}?"
        yield Problem(source=variable, key="", why=why)


def _from_text(field: FieldInfo, text: str) -> Any:
    """What a variable's text means for a field: text as it is, all else as in TOML, lists also with commas."""
    kind = get_origin(field.annotation) or field.annotation
    if kind is tuple and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is tuple or kind is int or kind is bool:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise ValueError(f"{text!r} is not a value of TOML") from None
    return text


def _explain(error: Any, given: Mapping[str, Mapping[str, _Given]], source: str) -> Problem:
    """A mistake that pydantic found, in the operator's words."""
    section, *rest = (str(part) for part in error["loc"])
    key = rest[0] if rest else ""
    one = given.get(section, {}).get(key)
    where = source if one is None else one.source
    why = error["msg"].removeprefix("Value error, ")
    expected = why[:1].lower() + why[1:]
    told = f"{one.value!r}: {expected}" if one is not None else expected
    return Problem(source=where, key=f"{section}.{key}" if key else section, why=told)


def _unknown(source: str, key: str, known: list[str]) -> Problem:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}? If not, take it out" if near else f"; known are {', '.join(known)}"
    return Problem(source=source, key=key, why=f"there is no such setting{hint}")


def _all_keys() -> list[str]:
    return [f"{name}.{key}" for name, section in _sections().items() for key in section.model_fields]


def _one(source: str, key: str, why: str) -> InvalidConfig:
    return InvalidConfig((Problem(source=source, key=key, why=why),))
