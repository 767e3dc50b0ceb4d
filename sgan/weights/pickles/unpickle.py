"""Reads pickles as data. Nothing in them runs: a name from a closed list becomes plain data, any other is refused.

The interpreter below knows the opcodes that checkpoints use and imports nothing. Bytes objects become views of the
file, so that memory stays within a small multiple of what is read.
"""

import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_OPCODES = 500_000  # three networks of 1024 x 1024 take about a tenth
MAX_STACK = 500_000
MAX_MARKS = 200
MAX_TEXT = 2**24
MAX_LINE = 2**16
MAX_DIGITS = 300
KEYS = (str, int, float, bool, type(None))


class Refused(ValueError):
    """What is wrong inside a file, as the end of a sentence that starts with the file's name."""


@dataclass(frozen=True)
class Name:
    """A global that a pickle mentions; only text."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Record:
    """What a call in a pickle stands for: its name, arguments and later state; only data."""

    name: str
    args: tuple = ()
    state: Any = None


class Limits:
    """Opcodes left for a file, nested pickles included."""

    def __init__(self, opcodes: int = MAX_OPCODES):
        self.opcodes = opcodes


class PickleReader:
    """One pickle at a position of a buffer.

    constructors: full name -> function of the argument tuple, the closed list of what may be called; inert: names that
    may be mentioned; persistent: function of a persistent id, where the file has those.
    """

    def __init__(
        self,
        data: memoryview,
        position: int = 0,
        constructors: Mapping[str, Callable[[tuple], Any]] | None = None,
        inert: frozenset[str] = frozenset(),
        persistent: Callable[[Any], Any] | None = None,
        limits: Limits | None = None,
    ):
        self.data, self.position = data, position
        self.constructors, self.inert, self.persistent = constructors or {}, inert, persistent
        self.limits = limits or Limits()
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The object; `position` then stands behind it. Refused for anything out of order."""
        while True:
            self.limits.opcodes -= 1
            if self.limits.opcodes < 0 or len(self.stack) > MAX_STACK or len(self.marks) > MAX_MARKS:
                raise Refused("holds a pickle that is too large or too deeply nested for a checkpoint")
            opcode = self.take(1)[0]
            if opcode == pickle.STOP[0]:
                return self.pop()
            action = ACTIONS.get(opcode)
            if action is None:
                raise Refused(f"holds a pickle with an instruction that no checkpoint needs (0x{opcode:02x})")
            action(self)

    def take(self, n: int) -> memoryview:
        """The next n bytes."""
        if n < 0 or n > len(self.data) - self.position:
            raise Refused("ends in the middle of its data; it is truncated, or no checkpoint")
        self.position += n
        return self.data[self.position - n : self.position]

    def number(self, code: str) -> Any:
        """The next little-endian number of a struct code."""
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def line(self, limit: int = MAX_LINE) -> bytes:
        """Bytes up to the next newline."""
        for length in (256, limit):  # most lines are short: copying the longest every time would take minutes
            found = bytes(self.data[self.position : self.position + length]).find(b"\n")
            if 0 <= found < limit:
                return bytes(self.take(found + 1)[:-1])
        raise Refused("holds a pickle that is damaged (a line without an end)")

    def text(self, n: int) -> str:
        """The next n bytes as text."""
        if n > MAX_TEXT:
            raise Refused(f"holds a text of {n} bytes, too long for a checkpoint")
        return _decode(bytes(self.take(n)))

    def integer(self, n: int) -> int:
        """The next n bytes as a signed integer."""
        if n > MAX_DIGITS:
            raise Refused("holds a number that is too long for a checkpoint")
        return int.from_bytes(self.take(n), "little", signed=True)

    def push(self, value: Any) -> None:
        """Puts a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Takes the top of the stack."""
        if not self.stack or (self.marks and len(self.stack) <= self.marks[-1]):
            raise Refused("holds a pickle that is damaged (an empty stack)")
        return self.stack.pop()

    def pop_marked(self) -> list[Any]:
        """Takes everything above the last mark."""
        if not self.marks:
            raise Refused("holds a pickle that is damaged (a missing mark)")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        """The top of the stack, which must be of a kind."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise Refused("holds a pickle that is damaged (it fills what it has not made)")
        return self.stack[-1]

    def set_items(self, pairs: list[Any]) -> None:
        """Key, value, key, value into the dict on top of the stack."""
        target = self.top(dict)
        if len(pairs) % 2 or not all(isinstance(key, KEYS) for key in pairs[::2]):
            raise Refused("holds a dictionary whose keys are neither text nor numbers")
        target.update(zip(pairs[::2], pairs[1::2]))

    def memoize(self, index: int) -> None:
        """Remembers the top of the stack."""
        self.memo[index] = self.top(object)

    def recall(self, index: int) -> None:
        """Pushes what was remembered."""
        if index not in self.memo:
            raise Refused("holds a pickle that is damaged (a reference to nothing)")
        self.push(self.memo[index])

    def find(self, module: Any, name: Any) -> None:
        """Pushes a name of the closed list."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise Refused("holds a pickle that is damaged (a name that is no text)")
        full = f"{module}.{name}"
        if full not in self.constructors and full not in self.inert:
            raise Refused(f"asks for {full[:100]!r}, which no checkpoint needs; nothing of it was run")
        self.push(Name(module, name))

    def call(self) -> None:
        """Replaces a name and its arguments by the data that they stand for."""
        args, name = self.pop(), self.pop()
        if not isinstance(name, Name) or not isinstance(args, tuple) or str(name) not in self.constructors:
            raise Refused("calls what is none of the constructors that checkpoints use; nothing of it was run")
        self.push(self.constructors[str(name)](args))

    def build(self) -> None:
        """Gives a record its state; that of dictionaries (bookkeeping of torch) is dropped."""
        state, target = self.pop(), self.top(object)
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):
            raise Refused("holds a pickle that gives a state to what has none")

    def load_persistent(self, key: Any) -> None:
        """Pushes what a persistent id stands for."""
        if self.persistent is None:
            raise Refused("refers to data outside of its pickle, which is not there")
        self.push(self.persistent(key))


def _decode(data: bytes, encoding: str = "utf-8") -> str:
    try:
        return data.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        raise Refused("holds a text that is damaged") from None


def _parse(kind: type, text: bytes) -> Any:
    try:
        return kind(text[:MAX_DIGITS])
    except ValueError:
        raise Refused("holds a number that is none") from None


def _int_line(reader: PickleReader) -> Any:
    text = reader.line(MAX_DIGITS).removesuffix(b"L")
    return {b"00": False, b"01": True}[text] if text in (b"00", b"01") else _parse(int, text)


def _string_line(reader: PickleReader) -> str:
    text = reader.line()
    if len(text) < 2 or text[:1] not in b"'\"" or text[-1:] != text[:1] or b"\\" in text:
        raise Refused("holds a text in a form that no checkpoint uses")
    return text[1:-1].decode("latin-1")


def _mark(reader: PickleReader) -> None:
    reader.marks.append(len(reader.stack))


def _append(reader: PickleReader, values: list[Any]) -> None:
    reader.top(list).extend(values)


def _new_dict(reader: PickleReader) -> None:
    pairs = reader.pop_marked()
    reader.push({})
    reader.set_items(pairs)


def _set_item(reader: PickleReader) -> None:
    value, key = reader.pop(), reader.pop()
    reader.set_items([key, value])


def _stack_global(reader: PickleReader) -> None:
    name, module = reader.pop(), reader.pop()
    reader.find(module, name)


def _tuple(reader: PickleReader, n: int) -> None:
    values = [reader.pop() for _ in range(n)]
    reader.push(tuple(reversed(values)))


def _pushing(value: Callable[[PickleReader], Any]) -> Callable[[PickleReader], None]:
    return lambda reader: reader.push(value(reader))


def _append_one(reader: PickleReader) -> None:
    value = reader.pop()
    _append(reader, [value])


def _append_marked(reader: PickleReader) -> None:
    values = reader.pop_marked()
    _append(reader, values)


def _set_marked(reader: PickleReader) -> None:
    pairs = reader.pop_marked()
    reader.set_items(pairs)


ACTIONS: dict[int, Callable[[PickleReader], Any]] = {
    opcode[0]: action
    for opcode, action in {
        pickle.PROTO: lambda r: r.take(1),
        pickle.FRAME: lambda r: r.take(8),
        pickle.MARK: _mark,
        pickle.POP: lambda r: r.pop(),
        pickle.POP_MARK: lambda r: r.pop_marked(),
        pickle.NONE: _pushing(lambda r: None),
        pickle.NEWTRUE: _pushing(lambda r: True),
        pickle.NEWFALSE: _pushing(lambda r: False),
        pickle.INT: _pushing(_int_line),
        pickle.LONG: _pushing(_int_line),
        pickle.FLOAT: _pushing(lambda r: _parse(float, r.line(MAX_DIGITS))),
        pickle.BININT: _pushing(lambda r: r.number("i")),
        pickle.BININT1: _pushing(lambda r: r.number("B")),
        pickle.BININT2: _pushing(lambda r: r.number("H")),
        pickle.LONG1: _pushing(lambda r: r.integer(r.number("B"))),
        pickle.LONG4: _pushing(lambda r: r.integer(r.number("i"))),
        pickle.BINFLOAT: _pushing(lambda r: struct.unpack(">d", r.take(8))[0]),
        pickle.STRING: _pushing(_string_line),
        pickle.UNICODE: _pushing(lambda r: _decode(r.line(), "raw-unicode-escape")),
        pickle.BINUNICODE: _pushing(lambda r: r.text(r.number("I"))),
        pickle.SHORT_BINUNICODE: _pushing(lambda r: r.text(r.number("B"))),
        pickle.BINUNICODE8: _pushing(lambda r: r.text(r.number("Q"))),
        pickle.SHORT_BINSTRING: _pushing(lambda r: bytes(r.take(r.number("B"))).decode("latin-1")),
        pickle.BINSTRING: _pushing(lambda r: r.text(r.number("i"))),
        pickle.SHORT_BINBYTES: _pushing(lambda r: r.take(r.number("B"))),
        pickle.BINBYTES: _pushing(lambda r: r.take(r.number("I"))),
        pickle.BINBYTES8: _pushing(lambda r: r.take(r.number("Q"))),
        pickle.BYTEARRAY8: _pushing(lambda r: r.take(r.number("Q"))),
        pickle.EMPTY_TUPLE: _pushing(lambda r: ()),
        pickle.TUPLE: _pushing(lambda r: tuple(r.pop_marked())),
        pickle.TUPLE1: lambda r: _tuple(r, 1),
        pickle.TUPLE2: lambda r: _tuple(r, 2),
        pickle.TUPLE3: lambda r: _tuple(r, 3),
        pickle.EMPTY_LIST: _pushing(lambda r: []),
        pickle.LIST: _pushing(lambda r: r.pop_marked()),
        pickle.APPEND: _append_one,
        pickle.APPENDS: _append_marked,
        pickle.EMPTY_SET: _pushing(lambda r: []),  # sets are never looked into: a list does
        pickle.FROZENSET: _pushing(lambda r: r.pop_marked()),
        pickle.ADDITEMS: _append_marked,
        pickle.EMPTY_DICT: _pushing(lambda r: {}),
        pickle.DICT: _new_dict,
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: _set_marked,
        pickle.PUT: lambda r: r.memoize(_parse(int, r.line(MAX_DIGITS))),
        pickle.BINPUT: lambda r: r.memoize(r.number("B")),
        pickle.LONG_BINPUT: lambda r: r.memoize(r.number("I")),
        pickle.MEMOIZE: lambda r: r.memoize(len(r.memo)),
        pickle.GET: lambda r: r.recall(_parse(int, r.line(MAX_DIGITS))),
        pickle.BINGET: lambda r: r.recall(r.number("B")),
        pickle.LONG_BINGET: lambda r: r.recall(r.number("I")),
        pickle.GLOBAL: lambda r: r.find(_decode(r.line()), _decode(r.line())),
        pickle.STACK_GLOBAL: _stack_global,
        pickle.REDUCE: lambda r: r.call(),
        pickle.NEWOBJ: lambda r: r.call(),
        pickle.BUILD: lambda r: r.build(),
        pickle.PERSID: lambda r: r.load_persistent(_decode(r.line())),
        pickle.BINPERSID: lambda r: r.load_persistent(r.pop()),
    }.items()
}
