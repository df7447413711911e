"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), fast enough for images without a compiled library.

A message is cut into equal lanes, whose CRCs are computed side by side with numpy and then joined:
a CRC is linear over GF(2), so bytes that follow act on it as a 32 x 32 matrix of bits.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78  # reflected
_LANES = 1024
_SHORT = 4096  # below, one byte after the other is faster


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    body = len(data) - len(data) % _LANES if len(data) >= _SHORT else 0
    crc = 0xFFFFFFFF
    if body:
        crc = _shifted(np.array([crc], np.uint32), body)[0].item() ^ _lanes(data[:body])
    table = _table_of_bytes()
    for byte in data[body:]:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The CRC as TFRecord files store it: rotated right by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _lanes(data: bytes) -> int:
    """CRC of a multiple of _LANES bytes, begun with 0 and not inverted."""
    rows = np.frombuffer(data, np.uint8).reshape(_LANES, -1)
    table = np.array(_table_of_bytes(), np.uint32)
    crcs = np.zeros(_LANES, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        crcs = (crcs >> np.uint32(8)) ^ table[(crcs ^ column) & np.uint32(0xFF)]
    length = rows.shape[1]
    while len(crcs) > 1:  # neighbours join: the left one is followed by the right one's bytes
        crcs = _shifted(crcs[::2], length) ^ crcs[1::2]
        length *= 2
    return int(crcs[0])


def _shifted(crcs: Words, zeros: int) -> Words:
    """The CRCs after so many bytes of zero: the bits of `zeros` as powers of one matrix."""
    power = 0
    while zeros:
        if zeros & 1:
            crcs = _times(_zero_bytes(power), crcs)
        zeros >>= 1
        power += 1
    return crcs


def _times(matrix: Words, vectors: Words) -> Words:
    """GF(2) product; `matrix[i]` is what bit i becomes."""
    result = np.zeros_like(vectors)
    for bit in range(32):
        result ^= matrix[bit] * ((vectors >> np.uint32(bit)) & np.uint32(1))
    return result


@functools.cache
def _zero_bytes(power: int) -> Words:
    """The matrix for 2**power bytes of zero."""
    if power:
        half = _zero_bytes(power - 1)
        return _times(half, half)
    table = _table_of_bytes()
    bits = [1 << bit for bit in range(32)]
    return np.array([(crc >> 8) ^ table[crc & 0xFF] for crc in bits], np.uint32)


@functools.cache
def _table_of_bytes() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
