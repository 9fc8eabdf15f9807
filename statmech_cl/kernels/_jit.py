"""The one `njit` of the package: compiled code is cached on disk, so only the first call after installation pays."""

from __future__ import annotations

from numba import njit as _njit

# error_model="numpy" drops the zero-division branches inside the innermost loops.
njit = _njit(cache=True, error_model="numpy", nogil=True)
