"""
Reading JSON where the *places* of values matter, not only the values.

The values themselves are parsed by the standard library's C scanner, `JSONDecoder.raw_decode`, which
says where a value ends. This module adds what is needed round it: walking members and elements,
RFC 8259's strictness (no NaN), a nesting limit, and line and column of an error.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

NESTING_MAX = 128
"""Containers inside each other; FHIR's deepest (nested Questionnaire items) stay under 40."""

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN', re.DOTALL)
_STRING_OR_MARK = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|[\[\]{},]')


class NotJson(Exception):
    """The text breaks the grammar of RFC 8259, or a limit, at an index of it."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(f"{reason} at index {at}")
        self.at = at
        self.reason = reason


class _Constant(Exception):
    """The scanner met NaN or an infinity, which are no JSON."""


def _refuse_constant(name: str) -> None:
    raise _Constant(name)


def _ignore_number(text: str) -> None:
    """Numbers stay what their bytes say: converting them costs time, precision, and fails at 4300 digits."""


_DECODER = json.JSONDecoder(
    parse_int=_ignore_number, parse_float=_ignore_number, parse_constant=_refuse_constant
)


class JsonCursor:
    """A place in a JSON text that moves over whole values, names and marks."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    def peek(self) -> str:
        """Skip white space and return the next character, or "" at the end."""
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return self.text[self.at : self.at + 1]

    def take(self, expected: str) -> str:
        """
        Move over one mark, which is any character of `expected`, and return it.

        Raises:
            NotJson: Another character, or the end, stands there.
        """
        mark = self.peek()
        if not mark or mark not in expected:
            wanted = " or ".join(f"'{character}'" for character in expected)
            raise NotJson(self.at, f"expected {wanted}, found {f'{mark!r}' if mark else 'the end'}")
        self.at += 1
        return mark

    def value(self) -> object:
        """
        Move over one whole value and return it, numbers as None.

        Raises:
            NotJson: There is no valid value here, or it nests deeper than NESTING_MAX.
        """
        self.peek()
        try:
            value, end = _DECODER.raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise NotJson(error.pos, _lower_first(error.msg)) from None
        except _Constant as error:
            raise NotJson(self._find_constant(), f"{error} is not a JSON number") from None
        except RecursionError:
            raise NotJson(self.at, f"nested deeper than {NESTING_MAX} levels") from None
        if _is_deeper_than(NESTING_MAX, value):
            raise NotJson(self.at, f"nested deeper than {NESTING_MAX} levels")
        self.at = end
        return value

    def names(self) -> Iterator[str]:
        """
        Yield each member's name of the object here; the caller moves over the value before the next.

        Raises:
            NotJson: The object is malformed at the cursor.
        """
        self.take("{")
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            if self.peek() != '"':
                raise NotJson(self.at, "expected a member's name in double quotes")
            name = self.value()
            assert isinstance(name, str)
            self.take(":")
            self.peek()
            yield name
            if self.take(",}") == "}":
                return

    def expect_end(self) -> None:
        """
        Check that nothing but white space follows.

        Raises:
            NotJson: Something other than white space stands between here and the end.
        """
        if self.peek() == "{" and "\n" in self.text[max(0, self.at - 2) : self.at]:
            why = "another document begins here, as in NDJSON; give each document in a file of its own"
            raise NotJson(self.at, why)
        if self.peek():
            raise NotJson(self.at, "expected the end of the file")

    def skip_broken_element(self) -> bool:
        """
        Move to the ',' or ']' that ends the array element here, by brackets alone; False if there is none.

        A quote that is not closed on its line counts as a stray character: JSON strings hold no line ends.
        """
        depth = 0
        for found in _STRING_OR_MARK.finditer(self.text, self.at):
            mark = found.group()
            if depth == 0 and mark in ",]":
                self.at = found.start()
                return True
            if mark in "{[":
                depth += 1
            elif mark in "}]":
                depth -= 1
            if depth < 0:
                return False
        return False

    def _find_constant(self) -> int:
        """Where the first NaN or infinity outside a string stands, from the cursor on."""
        for found in _STRING_OR_CONSTANT.finditer(self.text, self.at):
            if not found.group().startswith('"'):
                return found.start()
        raise AssertionError("the scanner saw a constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a character of a text stands in its file."""

    line: int
    column: int
    """Both from 1; columns count characters."""
    offset: int
    """In bytes from the file's beginning."""


class PlaceFinder:
    """Finds the places of indices; asked in rising order it reads the text once."""

    def __init__(self, text: str, *, first_offset: int) -> None:
        self._text = text
        self._is_ascii = text.isascii()
        self._first_offset = first_offset
        self._at = 0
        self._offset = first_offset
        self._line = 1
        self._line_start = 0

    def find(self, at: int) -> Place:
        """The place of the character at an index, or of the end."""
        if at < self._at:
            self._at, self._offset, self._line, self._line_start = 0, self._first_offset, 1, 0
        passed = self._text[self._at : at]
        self._offset += len(passed) if self._is_ascii else len(passed.encode("utf-8", "surrogateescape"))
        self._line += passed.count("\n")
        last_line_end = passed.rfind("\n")
        if last_line_end >= 0:
            self._line_start = self._at + last_line_end + 1
        self._at = at
        return Place(line=self._line, column=at - self._line_start + 1, offset=self._offset)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _is_deeper_than(limit: int, value: object) -> bool:
    level = [value]
    for _ in range(limit + 1):
        inner: list[object] = []
        seen_container = False
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
            else:
                continue
            seen_container = True
        if not seen_container:
            return False
        level = inner
    return True
