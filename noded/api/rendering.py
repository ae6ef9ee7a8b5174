"""
Values of the ledger as JSON, and the schema of that JSON; both follow from the classes' annotations alone.

    bytes of a fixed or short length   hexadecimal digits        longer bytes        base64
    IntEnum                            its name in lower case    tuple               array
    dataclass                          object of its fields      class of a registry object with a `type` besides
    X | None                           X or null

So a new module's values need nothing here.
"""

import dataclasses
import re
import types
import typing
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Annotated, Any, Final, NewType, Union

import pydantic_core

from noded.codec.schema import Registry
from noded.codec.shapes import Bytes, shape_of

HEX_BYTES_MAX: Final = 64
"""Ids, keys, hashes and signatures are of this length at most; what may be longer is content."""

Render = Callable[[Any], Any]
Schema = dict[str, Any]

_RENDERERS: dict[Any, Render] = {}
"""By annotation, of which a program has so many."""


def to_json(value: Any, cls: Any = None) -> Any:
    """
    A value as `json.dumps` takes it.

    Args:
        value: An instance of a dataclass, or of the annotation given.
        cls: The annotation; by default the value's class.
    """
    return _renderer(type(value) if cls is None else cls)(value)


dump: Final[Callable[[Any], bytes]] = pydantic_core.to_json
"""A document's text."""


def type_name(cls: type) -> str:
    """What tells the classes of a registry apart: an operation's name, or the class's in lower case."""
    name = getattr(cls, "name", None)
    return name if isinstance(name, str) else re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class Definitions:
    """The schemas of dataclasses, once each, by name."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._names: dict[tuple[type, bool], str] = {}

    def reference(self, cls: type, *, is_tagged: bool = False) -> str:
        """Where the schema of a dataclass is, with its `type` or without; it is made now unless it was before."""
        known = self._names.get((cls, is_tagged))
        if known is None:
            known = cls.__name__
            if known in self.schemas:
                known = f"{known}Of{cls.__module__.rpartition('.')[2].title()}"
            assert known not in self.schemas
            self._names[cls, is_tagged] = known
            self.schemas[
                known
            ] = {}  # Holds the name while its fields, which may lead back here, are described.
            tag = {"type": {"const": type_name(cls)}} if is_tagged else {}
            self.schemas[known] = _object_schema(cls, tag, self)
        return f"#/components/schemas/{known}"


def schema_of(annotation: Any, definitions: Definitions) -> Schema:
    """The JSON Schema of a value; those of dataclasses go into `definitions`."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    registry = _registry_in(annotation)
    if registry is not None:
        choices = {
            type_name(cls): definitions.reference(cls, is_tagged=True) for cls in registry_classes(registry)
        }
        return {
            "oneOf": [{"$ref": each} for each in choices.values()],
            "discriminator": {"propertyName": "type", "mapping": choices},
        }
    if origin is Annotated or isinstance(annotation, NewType) or annotation is bytes:
        if _base_of(annotation) is bytes:
            return _bytes_schema(annotation)
        inner = arguments[0] if origin is Annotated else annotation.__supertype__
        return schema_of(inner, definitions)
    if origin is Union or origin is types.UnionType:
        inner = next(each for each in arguments if each is not types.NoneType)
        return {"anyOf": [schema_of(inner, definitions), {"type": "null"}]}
    if origin in (tuple, list, Sequence):
        if origin is tuple and arguments[-1] is not Ellipsis:
            items = [schema_of(each, definitions) for each in arguments]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "items": schema_of(arguments[0], definitions)}
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        return {"type": "string", "enum": [member.name.lower() for member in annotation]}
    if dataclasses.is_dataclass(annotation):
        assert isinstance(annotation, type)
        return {"$ref": definitions.reference(annotation)}
    return {"type": {int: "integer", str: "string", bool: "boolean", float: "number"}[annotation]}


def registry_classes(registry: Registry[Any]) -> list[type]:
    """All classes of a registry, by tag."""
    return [cls for _, cls in sorted(registry.classes().items())]


def _renderer(annotation: Any) -> Render:
    known = _RENDERERS.get(annotation)
    if known is None:
        known = _RENDERERS[annotation] = _make_renderer(annotation)
    return known


def _make_renderer(annotation: Any) -> Render:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _registry_in(annotation) is not None:
        return _render_tagged
    if origin is Annotated or isinstance(annotation, NewType) or annotation is bytes:
        if _base_of(annotation) is bytes:
            return _hexadecimal if _is_short(annotation) else _base64
        return _renderer(arguments[0] if origin is Annotated else annotation.__supertype__)
    if origin is Union or origin is types.UnionType:
        inner = _renderer(next(each for each in arguments if each is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    if origin in (tuple, list, Sequence):
        if origin is tuple and arguments[-1] is not Ellipsis:
            parts = [_renderer(each) for each in arguments]
            return lambda value: [part(each) for part, each in zip(parts, value, strict=True)]
        item = _renderer(arguments[0])
        return lambda value: [item(each) for each in value]
    if isinstance(annotation, type) and issubclass(annotation, IntEnum):
        names = {member: member.name.lower() for member in annotation}
        return names.__getitem__
    if dataclasses.is_dataclass(annotation):
        assert isinstance(annotation, type)
        return _render_object(annotation)
    assert annotation in (int, str, bool, float), annotation
    return lambda value: value


def _render_object(cls: type) -> Render:
    fields: list[tuple[str, Render]] = []

    def render(value: Any) -> dict[str, Any]:
        if not fields:
            fields.extend((name, _renderer(hint)) for name, hint in _fields(cls).items())
        return {name: render_field(getattr(value, name)) for name, render_field in fields}

    return render


def _render_tagged(value: Any) -> dict[str, Any]:
    cls = type(value)
    return {"type": type_name(cls), **_renderer(cls)(value)}


def _fields(cls: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        field.name: hints[field.name] for field in dataclasses.fields(cls) if not field.name.startswith("_")
    }


def _object_schema(cls: type, tag: Schema, definitions: Definitions) -> Schema:
    properties = tag | {name: schema_of(hint, definitions) for name, hint in _fields(cls).items()}
    return {
        "type": "object",
        "description": " ".join((cls.__doc__ or "").split()),
        "properties": properties,
        "required": list(properties),
    }


def _bytes_schema(annotation: Any) -> Schema:
    if not _is_short(annotation):
        return {"type": "string", "contentEncoding": "base64"}
    shape = shape_of(annotation, "")
    assert isinstance(shape, Bytes)
    limit = shape.limit
    digits = f"{{{2 * limit.min}}}" if limit.min == limit.max else f"{{{2 * limit.min},{2 * limit.max}}}"
    return {"type": "string", "pattern": f"^[0-9a-f]{digits}$"}


def _is_short(annotation: Any) -> bool:
    if annotation is bytes:
        return False
    shape = shape_of(annotation, "")
    assert isinstance(shape, Bytes)
    return shape.limit.max <= HEX_BYTES_MAX


def _registry_in(annotation: Any) -> Registry[Any] | None:
    if typing.get_origin(annotation) is not Annotated:
        return None
    return next((extra for extra in annotation.__metadata__ if isinstance(extra, Registry)), None)


def _base_of(annotation: Any) -> Any:
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def _hexadecimal(value: bytes) -> str:
    return value.hex()


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
