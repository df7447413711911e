"""Small changes of real inputs, drawn by hypothesis, so that what fails is made small again."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

# Numbers at the edges of what formats and programs count with.
NUMBERS = (0, 1, -1, 2, 4, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**63)
TEXTS = (
    "",
    "\0",
    "²",
    "٣",
    "9" * 5000,
    "x" * 5000,
    "1e400",
    "-1",
    "NaN",
    ".inf",
    "\ud800",
    "\u2028",
    "::error::x",
    "<!-- -->",
    "../../x",
    "a: b",
    "*a",
    "&a",
    "!!python/name:os.system",
    " " * 5000,
    "\x85",
    "\r",
)
_WORDS = (b"\0", b"\xff", b"\n", b"\r\n", b"9" * 5000, b"\xc2\xb2", b": ", b"{", b"[", b'"', b"\\")
Edit = Callable[[bytearray], None]


def _at(data: bytearray, place: float) -> int:
    return min(int(place * len(data)), max(len(data) - 1, 0))


def _flip(place: float, bit: int) -> Edit:
    def edit(data: bytearray) -> None:
        if data:
            data[_at(data, place)] ^= 1 << bit

    return edit


def _number(place: float, value: int, size: int) -> Edit:
    packed = struct.pack("<q", (value + 2**63) % 2**64 - 2**63)[:size]

    def edit(data: bytearray) -> None:
        start = _at(data, place) // size * size
        data[start : start + size] = packed

    return edit


def _cut(place: float) -> Edit:
    def edit(data: bytearray) -> None:
        del data[_at(data, place) :]

    return edit


def _move(place: float, to: float, length: int, keep: bool) -> Edit:
    def edit(data: bytearray) -> None:
        start = _at(data, place)
        part = bytes(data[start : start + length])
        if not keep:
            del data[start : start + length]
        target = _at(data, to)
        data[target:target] = part

    return edit


def _insert(place: float, word: bytes) -> Edit:
    def edit(data: bytearray) -> None:
        start = _at(data, place)
        data[start:start] = word

    return edit


def _digits(place: float, text: str) -> Edit:
    """The next number in a text becomes an odd one."""

    def edit(data: bytearray) -> None:
        match = re.compile(rb"[0-9]+").search(data, _at(data, place))
        if match:
            data[match.start() : match.end()] = text.encode("utf-8", "surrogatepass")

    return edit


_PLACE = st.floats(0, 1)
_EDITS = st.one_of(
    st.builds(_flip, _PLACE, st.integers(0, 7)),
    st.builds(_number, _PLACE, st.sampled_from(NUMBERS), st.sampled_from((1, 2, 4, 8))),
    st.builds(_cut, _PLACE),
    st.builds(_digits, _PLACE, st.sampled_from(TEXTS)),
    st.builds(_move, _PLACE, _PLACE, st.integers(1, 200), st.booleans()),
    st.builds(_insert, _PLACE, st.sampled_from(_WORDS) | st.binary(max_size=8)),
)


@st.composite
def damaged_bytes(draw: st.DrawFn, corpus: tuple[bytes, ...]) -> bytes:
    """One of the corpus with up to 8 changes; now and then nothing but noise."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(draw(st.sampled_from(corpus)))
    for edit in draw(st.lists(_EDITS, min_size=1, max_size=8)):
        edit(data)
    return bytes(data)


_VALUES = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from((None, True, 1e308, -1e308, 5e-324, 10**30, -(10**30), 0.5)),
    st.sampled_from(([], {}, [[]], [None], {"": None})),
    st.text(max_size=10),
)


@st.composite
def damaged_data(draw: st.DrawFn, corpus: tuple[Any, ...]) -> Any:
    """Plain data of the corpus in which up to 4 parts are something else, gone, or there twice."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(1, 4))):
        data = _replaced(draw, data)
    return data


def _replaced(draw: st.DrawFn, data: Any) -> Any:
    """A copy with one part changed, at any depth."""
    if not data or not isinstance(data, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(_VALUES)
    if isinstance(data, list):
        index = draw(st.integers(0, len(data) - 1))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            return [*data[:index], *data[index + 1 :]]
        if kind == 1:
            return [*data, data[index]]
        return [*data[:index], _replaced(draw, data[index]), *data[index + 1 :]]
    key = draw(st.sampled_from(sorted(data)))
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return {name: value for name, value in data.items() if name != key}
    if kind == 1:
        return {**data, draw(st.sampled_from(TEXTS)): data[key]}
    return {**data, key: _replaced(draw, data[key])}
