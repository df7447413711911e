"""Histograms that many workers can fill apart and merge to the very same counts.

The bins of a tensor are 2^k wide, for the smallest k at which all values fit. Where a larger value
comes, k grows and neighbouring bins are added up. Bins of one width nest exactly in those of the
next, so counts depend on the values alone: not on their order, nor on who counted which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Bins are 2^-100 wide at the least: far below, float32 has no normal numbers to scale.
_LEAST_EXPONENT = -100


@dataclass
class Histograms:
    """One histogram for each of T tensors.

    Attributes:
        exponents: (T,) int32; bins of tensor t are 2.0 ** exponents[t] wide.
        counts: (T, 2 * bins) int64; bin j of tensor t counts values in [j - bins, j - bins + 1)
            times its width.
    """

    exponents: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, tensors: int, bins: int) -> Histograms:
        """Histograms of no values, `bins` on each side of zero (a power of two)."""
        exponents = np.full(tensors, _LEAST_EXPONENT, dtype=np.int32)
        return cls(exponents, np.zeros((tensors, 2 * bins), dtype=np.int64))

    @property
    def bins(self) -> int:
        """Bins on each side of zero."""
        return int(self.counts.shape[1]) // 2

    def add(
        self, values: npt.NDArray[np.float32], padding: npt.NDArray[np.int64] | None = None
    ) -> None:
        """Count values.

        Args:
            values: (T, n) float32, finite, a row for each tensor.
            padding: (T,) how many zeros in each row stand for no value.
        """
        tensors, _ = values.shape
        largest = np.maximum(values.max(axis=1, initial=0.0), -values.min(axis=1, initial=0.0))
        self.grow(_exponents(largest, self.bins))
        width = 2 * self.bins
        # Scaling by a power of two is exact in float32, and so is the floor of the result.
        scaled = values * np.ldexp(np.float32(1), -self.exponents)[:, np.newaxis]
        places = np.floor(scaled, out=scaled).astype(np.int64)
        # But for what is scaled to nothing: from below zero it belongs into the bin below zero.
        places -= (values < 0) & (scaled >= 0)
        places += (np.arange(tensors) * width + self.bins)[:, np.newaxis]
        counted = np.bincount(places.reshape(-1), minlength=tensors * width)
        self.counts += counted.reshape(tensors, width)
        if padding is not None:
            self.counts[:, self.bins] -= padding

    def merge(self, other: Histograms) -> None:
        """Take in the counts of another worker."""
        self.grow(other.exponents)
        grown = Histograms(other.exponents, other.counts.copy())
        grown.grow(self.exponents)
        self.counts += grown.counts

    def grow(self, exponents: npt.NDArray[np.int32]) -> None:
        """Widen the bins of each tensor to at least 2 ** exponents."""
        for tensor in np.flatnonzero(exponents > self.exponents):
            filled = np.flatnonzero(self.counts[tensor])
            doublings = min(int(exponents[tensor] - self.exponents[tensor]), 62)
            wider = ((filled - self.bins) >> doublings) + self.bins
            counts = np.zeros_like(self.counts[tensor])
            np.add.at(counts, wider, self.counts[tensor][filled])
            self.counts[tensor] = counts
        self.exponents = np.maximum(self.exponents, exponents)

    def of(self, tensor: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """The (2 * bins + 1) bin edges of one tensor in real values, and its counts."""
        steps = np.arange(-self.bins, self.bins + 1, dtype=np.float64)
        return np.ldexp(steps, int(self.exponents[tensor])), self.counts[tensor]


def _exponents(largest: npt.NDArray[np.float32], bins: int) -> npt.NDArray[np.int32]:
    """The smallest k for which every |value| <= largest lies in (-bins * 2^k, bins * 2^k)."""
    _, exponent = np.frexp(largest)  # largest < 2 ** exponent
    needed = exponent - (bins.bit_length() - 1)
    return np.where(largest > 0, np.maximum(needed, _LEAST_EXPONENT), _LEAST_EXPONENT).astype(
        np.int32
    )
