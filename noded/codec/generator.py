"""
The source of a dataclass's two functions: `write_n(value, depth)` and `read_n(data, at, depth)`.

Written out per class because this is the hottest code of the node: it runs for every field of every message, and
a loop over field descriptors costs several times as much. Only names and numbers of the program itself
get into the source, never anything from outside.
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING
from dataclasses import fields as dataclass_fields
from typing import Any

from noded.codec import heads, shapes
from noded.codec.shapes import Shape


class Source:
    """Grows the lines of one function."""

    def __init__(self, bind: Callable[[Any], str], function: Callable[[type], str]) -> None:
        """
        Start with nothing.

        Args:
            bind: Gives an object a name among the function's globals.
            function: The name of the function of the same kind for another class.
        """
        self.lines: list[str] = []
        self._bind = bind
        self._function = function
        self._indent = 0
        self._names = 0
        self._passed = 0

    def writing(self, name: str, cls: type, fields: Sequence[tuple[str, Shape]], prefix: bytes) -> str:
        """The function that returns the encoding of an instance, after `prefix`."""
        self._open(f"def {name}(value, depth):")
        self._guard_depth("Unencodable", cls.__name__)
        parts = [repr(prefix)]
        for field, shape in fields:
            variable = self._name()
            self._line(f"{variable} = value.{field}")
            parts += self._write(shape, variable, f"{cls.__name__}.{field}")
        self._line(f"return join(({', '.join(parts)},))")
        return "\n".join(self.lines)

    def reading(self, name: str, cls: type, fields: Sequence[tuple[str, Shape]], prefix: bytes) -> str:
        """The function that reads an instance after `prefix`, and returns it with the index after it."""
        self._open(f"def {name}(data, at, depth):")
        self._guard_depth("Malformed", cls.__name__)
        if prefix:
            self._expect(prefix, cls.__name__)
        values = [self._read(shape, f"{cls.__name__}.{field}") for field, shape in fields]
        self._move()
        self._refuse("Malformed", "at > len(data)", cls.__name__, "the data ends early")
        self._line(f"made = new({self._bind(cls)})")
        for (field, _), value in zip(fields, values, strict=True):
            self._line(f"{self._bind(getattr(cls, field).__set__)}(made, {value})")
        for computed in dataclass_fields(cls):
            if not computed.init and computed.default is not MISSING:
                setter = self._bind(getattr(cls, computed.name).__set__)
                self._line(f"{setter}(made, {self._bind(computed.default)})")
        if hasattr(cls, "__post_init__"):
            self._line("made.__post_init__()")
        self._line("return made, at")
        return "\n".join(self.lines)

    # Writing: statements that check, then the expressions whose bytes follow one another.

    def _write(self, shape: Shape, variable: str, where: str) -> list[str]:
        match shape:
            case shapes.Integer(limit):
                self._refuse(
                    "Unencodable", f"not {limit.min} <= {variable} <= {limit.max}", where, "out of range"
                )
                return [self._integer(variable, limit)]
            case shapes.Boolean():
                return [f"TRUE if {variable} else FALSE"]
            case shapes.Member(enum):
                table = self._bind({int(member): heads.integer(member) for member in enum})
                self._refuse("Unencodable", f"{variable} not in {table}", where, "not a member")
                return [f"{table}[{variable}]"]
            case shapes.Bytes(limit):
                return [self._length(heads.BYTES, variable, limit, where), variable]
            case shapes.Text(limit):
                text = self._name()
                self._line(f"{text} = utf8({variable}, {where!r})")
                return [self._length(heads.TEXT, text, limit, where), text]
            case shapes.Optional(inner):
                result = self._name()
                self._open(f"if {variable} is None:")
                self._line(f"{result} = NULL")
                self._close()
                self._open("else:")
                self._line(f"{result} = {self._joined(self._write(inner, variable, where))}")
                self._close()
                return [result]
            case shapes.Many(item, limit):
                count = self._length(heads.ARRAY, variable, limit, where)
                collected, each = self._name(), self._name()
                self._line(f"{collected} = []")
                self._open(f"for {each} in {variable}:")
                self._line(f"{collected} += ({', '.join(self._write(item, each, where))},)")
                self._close()
                return [count, f"*{collected}"]
            case shapes.Row(items):
                self._refuse(
                    "Unencodable", f"len({variable}) != {len(items)}", where, "wrong number of items"
                )
                parts = [repr(heads.head(heads.ARRAY, len(items)))]
                for index, item in enumerate(items):
                    each = self._name()
                    self._line(f"{each} = {variable}[{index}]")
                    parts += self._write(item, each, where)
                return parts
            case shapes.Record(cls):
                return [f"{self._function(cls)}({variable}, depth - 1)"]
            case shapes.Choice(registry):
                return [f"{self._bind(registry.write)}({variable}, depth - 1)"]

    def _integer(self, variable: str, limit: shapes.Limit) -> str:
        """The head of an integer within its limit: one byte or two are looked up, three made here, others there."""
        wide = f"integer({variable})"
        if limit.max < 0:
            return wide
        least = "0 <= " if limit.min < 0 else ""
        if limit.max >= 256:
            middle = f"(0x190000 + {variable}).to_bytes(3)"
            wide = f"{middle} if {least}{variable} < 65536 else {wide}"
        elif not least:
            return f"SMALL[{variable}]"
        return f"SMALL[{variable}] if {least}{variable} < 256 else {wide}"

    def _length(self, major: int, variable: str, limit: shapes.Limit, where: str) -> str:
        if limit.min == limit.max:
            self._refuse("Unencodable", f"len({variable}) != {limit.max}", where, "wrong length")
            return repr(heads.head(major, limit.max))
        length = self._name()
        self._line(f"{length} = len({variable})")
        self._refuse("Unencodable", f"not {limit.min} <= {length} <= {limit.max}", where, "wrong length")
        return f"head({major}, {length})"

    # Reading: statements that check and leave the value in the variable returned. The index of the next byte is
    # `at` plus what was passed since `at` was last moved, which is known here whatever the data.

    def _read(self, shape: Shape, where: str) -> str:
        result = self._name()
        match shape:
            case shapes.Integer(limit):
                self._read_integer(result, where, is_signed=limit.min < 0)
                self._keep_within(result, limit, where, "out of range")
            case shapes.Boolean():
                self._line(f"{result} = data[{self._here()}]")
                self._passed += 1
                self._refuse(
                    "Malformed", f"{result} != 0xF4 and {result} != 0xF5", where, "not true or false"
                )
                self._line(f"{result} = {result} == 0xF5")
            case shapes.Member(enum):
                table = self._bind({int(member): member for member in enum})
                self._read_number(result, heads.UNSIGNED, where)
                self._refuse("Malformed", f"{result} not in {table}", where, "not a member")
                self._line(f"{result} = {table}[{result}]")
            case shapes.Bytes(limit):
                self._read_content(result, heads.BYTES, limit, where)
            case shapes.Text(limit):
                self._read_content(result, heads.TEXT, limit, where)
                self._line(f"{result} = text({result}, {where!r})")
            case shapes.Optional(inner):
                passed = self._passed
                self._open(f"if data[{self._here()}] == 0xF6:")
                self._line(f"{result} = None")
                self._line(f"at += {passed + 1}")
                self._close()
                self._open("else:")
                self._line(f"{result} = {self._read(inner, where)}")
                self._move()
                self._close()
            case shapes.Many(item, limit):
                count, each = self._name(), self._name()
                self._read_number(count, heads.ARRAY, where)
                self._keep_within(count, limit, where, "wrong length")
                self._line(f"{result} = []")
                self._open(f"for {each} in range({count}):")
                self._line(f"{result}.append({self._read(item, where)})")
                self._move()
                self._close()
                self._line(f"{result} = tuple({result})")
            case shapes.Row(items):
                self._expect(heads.head(heads.ARRAY, len(items)), where)
                values = [self._read(item, where) for item in items]
                self._line(f"{result} = ({', '.join(values)},)")
            case shapes.Record(cls):
                self._line(f"{result}, at = {self._function(cls)}(data, {self._pass()}, depth - 1)")
            case shapes.Choice(registry):
                self._line(f"{result}, at = {self._bind(registry.read)}(data, {self._pass()}, depth - 1)")
        return result

    def _read_integer(self, result: str, where: str, *, is_signed: bool) -> None:
        here, passed = self._here(), self._passed
        self._line(f"{result} = data[{here}]")
        self._open(f"if {result} < 24:")
        self._line(f"at += {passed + 1}")
        self._close()
        # Most heights, days and sizes have two bytes, and the shortest encoding exactly if the first is not zero.
        self._open(f"elif {result} == 25 and data[at + {passed + 1}]:")
        self._line(f"{result} = data[at + {passed + 1}] << 8 | data[at + {passed + 2}]")
        self._line(f"at += {passed + 3}")
        self._close()
        self._open("else:")
        call = "read_integer(data, {}, {!r})" if is_signed else "read_number(data, {}, 0, {!r})"
        self._line(f"{result}, at = {call.format(self._pass(), where)}")
        self._close()

    def _read_number(self, result: str, major: int, where: str) -> None:
        self._line(f"{result} = data[{self._here()}]" + (f" - {major << 5}" if major else ""))
        self._open(f"if 0 <= {result} < 24:" if major else f"if {result} < 24:")
        self._line(f"at += {self._passed + 1}")
        self._close()
        self._open("else:")
        self._line(f"{result}, at = read_number(data, {self._pass()}, {major}, {where!r})")
        self._close()

    def _read_content(self, result: str, major: int, limit: shapes.Limit, where: str) -> None:
        if limit.min == limit.max:
            self._expect(heads.head(major, limit.max), where)
            start = self._here()
            self._passed += limit.max
            self._line(f"{result} = data[{start} : {self._here()}]")
        else:
            length = self._name()
            self._read_number(length, major, where)
            self._keep_within(length, limit, where, "wrong length")
            self._line(f"{result} = data[at : at + {length}]")
            self._line(f"at += {length}")

    def _keep_within(self, variable: str, limit: shapes.Limit, where: str, why: str) -> None:
        condition = (
            f"{variable} > {limit.max}" if limit.min == 0 else f"not {limit.min} <= {variable} <= {limit.max}"
        )
        self._refuse("Malformed", condition, where, why)

    def _expect(self, prefix: bytes, where: str) -> None:
        start = self._here()
        self._passed += len(prefix)
        if len(prefix) == 1:
            self._refuse("Malformed", f"data[{start}] != {prefix[0]}", where, "wrong kind or length")
        else:
            condition = f"data[{start} : {self._here()}] != {prefix!r}"
            self._refuse("Malformed", condition, where, "wrong kind or length")

    def _here(self) -> str:
        return f"at + {self._passed}" if self._passed else "at"

    def _pass(self) -> str:
        """The index of the next byte, for a call that returns the new `at`."""
        here, self._passed = self._here(), 0
        return here

    def _move(self) -> None:
        if self._passed:
            self._line(f"at = {self._pass()}")

    def _guard_depth(self, error: str, where: str) -> None:
        self._refuse(error, "depth <= 0", where, "too deep")

    def _refuse(self, error: str, condition: str, where: str, why: str) -> None:
        self._open(f"if {condition}:")
        self._line(f"raise {error}({where!r}, {why!r})")
        self._close()

    def _joined(self, parts: list[str]) -> str:
        if len(parts) == 2 and parts[1][0] != "*":
            return f"({parts[0]}) + ({parts[1]})"  # Half the time of a join.
        return parts[0] if len(parts) == 1 and parts[0][0] != "*" else f"join(({', '.join(parts)},))"

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._indent + text)

    def _open(self, text: str) -> None:
        self._line(text)
        self._indent += 1

    def _close(self) -> None:
        self._indent -= 1
