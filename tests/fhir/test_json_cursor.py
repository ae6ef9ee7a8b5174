"""The places of JSON values: walking, strictness, limits, and lines and columns."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.fhir.json_cursor import NESTING_MAX, JsonCursor, NotJson, PlaceFinder

SPACES = st.text(alphabet=" \t\n\r", max_size=3)


class TestValue:
    def test_moves_over_exactly_one_value(self) -> None:
        cursor = JsonCursor('  {"a": [1, 2]}  ,')

        assert cursor.value() == {"a": [None, None]}
        assert cursor.peek() == ","

    @pytest.mark.parametrize("number", ["1.00", "-1.000000000000000000E+245", "1E+999999999999", "9" * 5000])
    def test_a_number_of_any_size_is_only_passed_over(self, number: str) -> None:
        cursor = JsonCursor(number)

        assert cursor.value() is None
        assert cursor.at == len(number)

    @pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
    def test_constants_of_other_languages_are_refused_where_they_stand(self, name: str) -> None:
        text = f'["a NaN in a string", {name}]'

        with pytest.raises(NotJson, match="is not a JSON number") as caught:
            JsonCursor(text).value()
        assert caught.value.at == text.rindex(name)

    @pytest.mark.parametrize(
        "text", ["", "01x", '"a\nb"', "{,}", "[1,]", "{'a': 1}", "\ufeff1", "-", '"\\x"']
    )
    def test_what_is_no_json_is_refused(self, text: str) -> None:
        def read() -> None:
            cursor = JsonCursor(text)
            cursor.value()
            cursor.expect_end()  # "01x" has a first value, 0: there it is the end that is missed.

        with pytest.raises(NotJson):
            read()


class TestNesting:
    @pytest.mark.parametrize(
        ("opening", "closing", "leaf"), [("[", "]", ""), ('{"a":', "}", "1"), ("[", "]", "1")]
    )
    def test_the_limit_is_exact(self, opening: str, closing: str, leaf: str) -> None:
        leaf = leaf or "[]"
        levels = NESTING_MAX - (leaf == "[]")
        deepest = opening * levels + leaf + closing * levels

        assert JsonCursor(deepest).value() is not None
        with pytest.raises(NotJson, match="nested deeper than 128"):
            JsonCursor(opening + deepest + closing).value()

    def test_nesting_beyond_the_interpreters_own_limit_is_the_same_error(self) -> None:
        with pytest.raises(NotJson, match="nested deeper than 128"):
            JsonCursor("[" * 1_000_000).value()


class TestNames:
    @given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())), SPACES)
    def test_yields_the_names_in_order(self, members: dict[str, object], space: str) -> None:
        text = json.dumps(members, separators=(f"{space},{space}", f"{space}:{space}"))
        cursor = JsonCursor(space + text)

        names = []
        for name in cursor.names():
            names.append(name)
            cursor.value()

        assert names == list(members)
        assert cursor.peek() == ""

    @pytest.mark.parametrize("text", ["[]", "{1: 2}", '{"a" 1}', '{"a": 1 "b"}', '{"a": 1,}', '{"a": 1'])
    def test_a_malformed_object_is_refused(self, text: str) -> None:
        cursor = JsonCursor(text)

        with pytest.raises(NotJson):
            [cursor.value() for _ in cursor.names()]


class TestSkipBrokenElement:
    @pytest.mark.parametrize(
        "broken", ["{1 2 3}", '{"a": "x,]"  z}', '[1. {"b": NaN}] tail', '{"open \n }', ""]
    )
    def test_stops_before_the_mark_that_ends_the_element(self, broken: str) -> None:
        cursor = JsonCursor(f"{broken},1]")

        assert cursor.skip_broken_element()
        assert cursor.at == len(broken)

    @pytest.mark.parametrize("broken", ["{{}", "}", "{"])
    def test_brackets_that_do_not_close_are_said(self, broken: str) -> None:
        assert not JsonCursor(f"{broken} , 1]").skip_broken_element()


class TestPlaceFinder:
    @given(st.text(alphabet="aé李\n\r"), st.data())
    def test_agrees_with_counting_from_the_beginning(self, text: str, data: st.DataObject) -> None:
        finder = PlaceFinder(text, first_offset=3)

        for at in data.draw(st.lists(st.integers(0, len(text)), max_size=6)):
            before = text[:at]
            place = finder.find(at)
            assert place.line == before.count("\n") + 1
            assert place.column == len(before.rsplit("\n")[-1]) + 1
            assert place.offset == 3 + len(before.encode())
