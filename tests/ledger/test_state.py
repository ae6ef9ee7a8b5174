"""The state as transitions see it, against a plain dict."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.codec.schema import Limit, encode_value
from noded.ledger.errors import ValueTooLarge
from noded.ledger.events import DETAIL_MAX, PARTIES_MAX, Event
from noded.ledger.state import Overlay, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    number: Annotated[int, Limit(0, 1000)]


KEYS = (b"a/1", b"a/2", b"b/1")
WRITES = st.lists(
    st.tuples(
        st.sampled_from(("write", "put", "delete", "keep", "drop")), st.sampled_from(KEYS), st.integers(0, 9)
    )
)


def make_overlay(below: dict[bytes, Value]) -> Overlay:
    return Overlay(below.get)


class TestModel:
    """An overlay behaves as a dict of which copies are kept."""

    @given(writes=WRITES, below=st.dictionaries(st.sampled_from(KEYS), st.integers(0, 9)))
    def test_reads_what_a_dict_would(
        self, writes: list[tuple[str, bytes, int]], below: dict[bytes, int]
    ) -> None:
        encodings = {key: encode_value(Thing(number=number)) for key, number in below.items()}
        overlay = make_overlay(dict(encodings))
        kept = {key: Thing(number=number) for key, number in below.items()}
        model = dict(kept)

        for action, key, number in writes:
            match action:
                case "write":
                    overlay.write(key, Thing(number=number))
                    model[key] = Thing(number=number)
                case "put":
                    overlay.put(key, encode_value(Thing(number=number)))
                    model[key] = Thing(number=number)
                case "delete":
                    overlay.delete(key)
                    model.pop(key, None)
                case "keep":
                    overlay.keep()
                    kept = dict(model)
                case _:
                    overlay.drop()
                    model = dict(kept)
            for each in KEYS:
                assert overlay.read(each, Thing) == model.get(each)
                assert overlay.has(each) == (each in model)
                expected = model.get(each)
                assert overlay.get(each) == (None if expected is None else encode_value(expected))

        overlay.drop()
        after = encodings | overlay.encodings
        assert {key: value for key, value in after.items() if value is not None} == {
            key: encode_value(value) for key, value in kept.items()
        }


class TestListings:
    """Listings and events belong to their transaction."""

    def test_drop_undoes_them(self) -> None:
        overlay = make_overlay({})
        overlay.index_put(b"x", b"1")
        overlay.emit(Event("thing.made", b"1"))
        overlay.keep()
        overlay.index_put(b"y", b"2")
        overlay.emit(Event("thing.made", b"2"))

        overlay.drop()

        assert overlay.index == [(b"x", b"1")]
        assert overlay.events == [Event("thing.made", b"1")]


class TestLimits:
    """L7: a value that breaks the limits of its type is a rejection, not a crash."""

    def test_value_beyond_its_limits_is_refused(self) -> None:
        overlay = make_overlay({})
        overlay.write(b"a/1", Thing(number=1001))

        with pytest.raises(ValueTooLarge):
            overlay.keep()
        overlay.drop()

        assert overlay.encodings == {}
        assert not overlay.has(b"a/1")

    def test_event_beyond_its_limits_is_refused(self) -> None:
        overlay = make_overlay({})

        with pytest.raises(ValueTooLarge):
            overlay.emit(Event("thing.made", b"1", detail=bytes(DETAIL_MAX + 1)))
        with pytest.raises(ValueTooLarge):
            overlay.emit(Event("thing.made", b"1", (b"party",) * (PARTIES_MAX + 1)))
        assert overlay.events == []
