"""
Frozen dataclasses to deterministic CBOR and back, by their annotations.

A dataclass is an array of its fields. Reading goes by the class, not by the bytes: each field's head must be the
one shortest head that the class allows, so whatever is read has exactly one encoding and nothing is left to
compare. `Registry` gives classes tags, for messages and operations of which any may come.

A `__post_init__` sees values of the right types and within limits; it may raise `Malformed` for rules between fields.
"""

from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from inspect import ismemberdescriptor
from itertools import count
from typing import Any, Generic, TypeVar, get_type_hints

from noded.codec import cbor, heads
from noded.codec.errors import Malformed, Unencodable
from noded.codec.generator import Source
from noded.codec.shapes import Limit, restrict, shape_of

__all__ = ["DEPTH_MAX", "Limit", "Registry", "decode_value", "encode_value", "pack", "restrict", "unpack"]

T = TypeVar("T")
C = TypeVar("C")

DEPTH_MAX = 16
"""Dataclasses within dataclasses; bounds what conditions and other recursive types can make the node do."""

TAG_MAX = 65_535
"""Tags of a registry; a head of at most 3 bytes."""

_Writer = Callable[[Any, int], bytes]
_Reader = Callable[[bytes, int, int], tuple[Any, int]]


def encode_value(value: object) -> bytes:
    """
    The one encoding of a dataclass instance.

    Raises:
        Unencodable: The value breaks a limit of its type.
    """
    write = _WHOLE.get(type(value))
    if write is None:
        write = _WHOLE[type(value)] = _writer(type(value))
    return write(value, DEPTH_MAX)


def decode_value(cls: type[T], data: bytes, *, max_bytes: int) -> T:
    """
    The instance of `cls` of which `data` is the one encoding (C1).

    Raises:
        Malformed: There is none, or it is longer than `max_bytes`.
    """
    value: T = _read_whole(_reader(cls), data, cls.__name__, max_bytes)
    return value


def pack(value: object) -> list[Any]:
    """The plain items of a dataclass instance, for display and for other formats."""
    data = encode_value(value)
    items: list[Any] = cbor.decode(data, max_bytes=len(data), max_depth=4 * DEPTH_MAX)
    return items


def unpack(cls: type[T], plain: object) -> T:
    """The instance that `pack` made `plain` of; raises `Malformed` if there is none."""
    try:
        data = cbor.encode(plain, max_depth=4 * DEPTH_MAX)
    except Unencodable as error:
        raise Malformed(cls.__name__, error.why) from None
    return decode_value(cls, data, max_bytes=len(data))


class Registry(Generic[T]):
    """
    Classes with tags: a value of any of them is an array of its tag and its fields.

    A field annotated `Annotated[Base, registry]` holds any of them, whenever they were registered.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tags: dict[type, int] = {}
        self._classes: dict[int, type] = {}
        self._writers: dict[type, _Writer] = {}
        self._readers: dict[int, tuple[int, _Reader]] = {}

    def register(self, tag: int, cls: type) -> None:
        """Give a class its tag, for ever: tags are part of the protocol."""
        assert is_dataclass(cls), f"{cls.__name__} is no dataclass"
        assert 0 <= tag <= TAG_MAX, f"{self.name} tag {tag} is out of range"
        assert tag not in self._classes, f"{self.name} tag {tag} is {self._classes[tag].__name__}"
        assert cls not in self._tags, f"{cls.__name__} has {self.name} tag {self._tags[cls]}"
        self._tags[cls] = tag
        self._classes[tag] = cls

    def tag(self, tag: int) -> Callable[[type[C]], type[C]]:
        """Decorate a class: `@OPERATIONS.tag(7)`, above its `@dataclass`."""

        def decorate(cls: type[C]) -> type[C]:
            self.register(tag, cls)
            return cls

        return decorate

    def tag_of(self, cls: type) -> int:
        """The tag of a registered class."""
        return self._tags[cls]

    def classes(self) -> dict[int, type]:
        """All classes by tag, in order of registration."""
        return dict(self._classes)

    def encode(self, value: T) -> bytes:
        """
        The one encoding of an instance of a registered class.

        Raises:
            Unencodable: The value breaks a limit of its type, or its class is not registered.
        """
        return self.write(value, DEPTH_MAX)

    def decode(self, data: bytes, *, max_bytes: int) -> T:
        """
        The instance of which `data` is the one encoding (C1).

        Raises:
            Malformed: There is none, or it is longer than `max_bytes`.
        """
        value: T = _read_whole(self.read, data, self.name, max_bytes)
        return value

    def write(self, value: object, depth: int) -> bytes:
        """Encode within another value; for generated code."""
        write = self._writers.get(type(value))
        if write is None:
            tag = self._tags.get(type(value))
            if tag is None:
                raise Unencodable(self.name, f"{type(value).__name__} is not registered")
            write = self._writers[type(value)] = _writer(type(value), tag)
        return write(value, depth)

    def read(self, data: bytes, at: int, depth: int) -> tuple[Any, int]:
        """Decode within another value; for generated code."""
        count, tag = data[at] - (heads.ARRAY << 5), data[at + 1]
        if 0 <= count < 24 and tag < 24:
            at += 2
        else:
            count, at = heads.read_number(data, at, heads.ARRAY, self.name)
            tag, at = heads.read_number(data, at, heads.UNSIGNED, self.name)
        entry = self._readers.get(tag)
        if entry is None:
            cls = self._classes.get(tag)
            if cls is None:
                raise Malformed(self.name, "unknown tag")
            entry = self._readers[tag] = (1 + len(_encoded(cls)), _reader(cls, tag))
        if count != entry[0]:
            raise Malformed(self.name, "wrong number of fields")
        return entry[1](data, at, depth)


_NAMESPACE: dict[str, Any] = {
    "Malformed": Malformed,
    "Unencodable": Unencodable,
    "SMALL": heads.SMALL,
    "TRUE": heads.TRUE,
    "FALSE": heads.FALSE,
    "NULL": heads.NULL,
    "head": heads.head,
    "integer": heads.integer,
    "read_number": heads.read_number,
    "read_integer": heads.read_integer,
    "utf8": heads.utf8,
    "text": heads.text,
    "join": b"".join,
    "new": object.__new__,
}
"""Globals of all generated functions; classes that hold each other find each other's functions here."""


_Key = tuple[str, type, int | None]
"""Kind of a function (write or read), class, and tag."""

_NAMES: dict[_Key, str] = {}
"""Names of finished functions; compiled when first needed, so that later registrations count."""

_WHOLE: dict[type, _Writer] = {}
"""What `encode_value` calls: looking the function up by its key and name takes as long as writing a small value."""

_numbers = count()


def _writer(cls: type, tag: int | None = None) -> _Writer:
    function: _Writer = _NAMESPACE[_NAMES.get(("write", cls, tag)) or _compile(("write", cls, tag))]
    return function


def _reader(cls: type, tag: int | None = None) -> _Reader:
    function: _Reader = _NAMESPACE[_NAMES.get(("read", cls, tag)) or _compile(("read", cls, tag))]
    return function


def _compile(key: _Key) -> str:
    """
    Compile a function with all that it calls; returns its name.

    Names are made known when all are there: a second thread compiles in vain, but never calls what is not finished.
    """
    names: dict[_Key, str] = {}
    name = _name_of(key, names)
    _NAMES.update(names)
    return name


def _name_of(key: _Key, names: dict[_Key, str]) -> str:
    """The name of a function, which is compiled now unless that is done or under way (classes may be cyclic)."""
    known = _NAMES.get(key) or names.get(key)
    if known is not None:
        return known
    kind, cls, tag = key
    if not is_dataclass(cls) or not all(
        ismemberdescriptor(getattr(cls, field.name, None)) for field in fields(cls)
    ):
        raise TypeError(f"{cls.__name__} must be a dataclass with slots")
    name = names[key] = f"{kind}_{next(_numbers)}"
    hints = get_type_hints(cls, include_extras=True)
    shapes = [
        (field.name, shape_of(hints[field.name], f"{cls.__name__}.{field.name}")) for field in _encoded(cls)
    ]
    prefix = heads.head(heads.ARRAY, len(shapes) + (tag is not None))
    source = Source(_bind, lambda inner: _name_of((kind, inner, None), names))
    if kind == "write":
        text = source.writing(name, cls, shapes, prefix + (heads.integer(tag) if tag is not None else b""))
    else:
        text = source.reading(name, cls, shapes, prefix if tag is None else b"")
    exec(compile(text, f"<{kind} {cls.__module__}.{cls.__qualname__}>", "exec"), _NAMESPACE)
    return name


def _encoded(cls: type) -> list[Field[Any]]:
    """The fields that have an encoding: all but those that the class computes from them (`init=False`)."""
    return [field for field in fields(cls) if field.init]


def _bind(value: object) -> str:
    name = f"bound_{next(_numbers)}"
    _NAMESPACE[name] = value
    return name


def _read_whole(read: _Reader, data: bytes, where: str, max_bytes: int) -> Any:
    if len(data) > max_bytes:
        raise Malformed(where, f"more than {max_bytes} bytes")
    try:
        value, end = read(data, 0, DEPTH_MAX)
    except IndexError:
        raise Malformed(where, "the data ends early") from None
    if end != len(data):
        raise Malformed(where, "more data follows the value")
    return value
