from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, NewType

import pytest

from noded.api.rendering import Definitions, schema_of, to_json, type_name
from noded.codec.schema import Limit, Registry, restrict
from noded.types.operations import OPERATIONS, operations_by_name
from noded.types.operations.records import RecordRegister
from tests.helpers.medical import make_record


class Colour(IntEnum):
    DARK_RED = 1
    BLUE = 2


Name = NewType("Name", bytes)
restrict(Name, Limit(4, 4))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf."""

    name: Name


KINDS: Registry[object] = Registry("kind")


@KINDS.tag(1)
@dataclass(frozen=True, slots=True)
class SomeLeaf:
    leaf: Leaf


@KINDS.tag(2)
@dataclass(frozen=True, slots=True)
class Nested:
    of: Annotated[tuple[Annotated[object, KINDS], ...], Limit(0, 4)]


@dataclass(frozen=True, slots=True)
class Everything:
    """All shapes that values of the ledger have."""

    colour: Colour
    content: Annotated[bytes, Limit(0, 100)]
    kind: Annotated[object, KINDS]
    maybe: Name | None
    pair: tuple[int, str]
    many: Annotated[tuple[Leaf, ...], Limit(0, 4)]
    yes: bool
    part: float


VALUE = Everything(
    colour=Colour.DARK_RED,
    content=b"\x00\xff",
    kind=Nested((SomeLeaf(Leaf(Name(b"abcd"))),)),
    maybe=None,
    pair=(1, "two"),
    many=(Leaf(Name(b"\x00\x00\x00\x01")),),
    yes=True,
    part=0.5,
)


def test_every_shape_has_its_json() -> None:
    assert to_json(VALUE) == {
        "colour": "dark_red",
        "content": "AP8=",
        "kind": {"type": "nested", "of": [{"type": "some_leaf", "leaf": {"name": "61626364"}}]},
        "maybe": None,
        "pair": [1, "two"],
        "many": [{"name": "00000001"}],
        "yes": True,
        "part": 0.5,
    }


def test_the_schema_says_the_same() -> None:
    definitions = Definitions()

    assert schema_of(Everything, definitions) == {"$ref": "#/components/schemas/Everything"}
    properties = definitions.schemas["Everything"]["properties"]
    assert properties["colour"] == {"type": "string", "enum": ["dark_red", "blue"]}
    assert properties["content"] == {"type": "string", "contentEncoding": "base64"}
    assert properties["maybe"]["anyOf"][0] == {"type": "string", "pattern": "^[0-9a-f]{8}$"}
    assert properties["pair"]["prefixItems"] == [{"type": "integer"}, {"type": "string"}]
    assert len(properties["kind"]["oneOf"]) == 2
    assert definitions.schemas["Leaf"]["description"] == "A leaf."


def test_two_classes_of_one_name_have_two_schemas() -> None:
    definitions = Definitions()
    other: type = dataclass(frozen=True, slots=True)(type("Leaf", (), {"__annotations__": {"size": int}}))

    assert definitions.reference(Leaf) != definitions.reference(other)
    assert definitions.reference(Leaf) == "#/components/schemas/Leaf"


@pytest.mark.parametrize("operation", operations_by_name().values(), ids=operations_by_name())
def test_every_operation_has_a_schema(operation: type) -> None:
    definitions = Definitions()

    schema_of(operation, definitions)

    assert definitions.schemas[operation.__name__]["properties"]


def test_an_operation_is_told_by_its_name() -> None:
    operation = make_record()
    definitions = Definitions()

    where = "#/components/schemas/RecordRegister"
    described = schema_of(Annotated[object, OPERATIONS], definitions)
    assert {"$ref": where} in described["oneOf"]
    assert described["discriminator"]["propertyName"] == "type"
    assert described["discriminator"]["mapping"]["record.register"] == where
    assert definitions.schemas["RecordRegister"]["properties"]["type"] == {"const": "record.register"}
    assert type_name(RecordRegister) == "record.register"
    assert to_json(operation, Annotated[object, OPERATIONS])["type"] == "record.register"
