"""The `njit`s of the package: compiled code is cached on disk, so only the first call after installation pays."""

from __future__ import annotations

from numba import njit as _njit

# error_model="numpy" drops the zero-division branches inside the innermost loops.
njit = _njit(cache=True, error_model="numpy", nogil=True)

# For loops that sum: terms may be added in any order, so that the loop becomes vector instructions. Nothing else that
# "fast math" allows (no reciprocals for quotients, infinities stay infinite).
njit_sums = _njit(cache=True, error_model="numpy", nogil=True, fastmath={"reassoc", "contract", "nsz", "nnan"})

# For code inlined into such loops (a call would keep them from becoming vector instructions) whose order of operations
# must stay: only a product and a sum may be fused.
njit_exact = _njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"}, forceinline=True)
