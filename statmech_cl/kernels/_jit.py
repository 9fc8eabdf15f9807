"""The `njit`s of the package: compiled code is cached on disk, so only the first call after installation pays.

No option lets the compiler change the order of sums or fuse products into them: it would choose differently in the
process that compiles and in those that load the result, and the first run of a command would end in other last digits
than the next. What is to be fused is written as `fma`, what is to be summed by vector instructions as in `sums`.
"""

from __future__ import annotations

from typing import Any

from numba import njit as _njit
from numba import types
from numba.extending import intrinsic

# error_model="numpy" drops the zero-division branches inside the innermost loops. Nobody calls from C.
_OPTIONS: Any = {"cache": True, "error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}

njit = _njit(**_OPTIONS)

# For loops without a sum: no NaN and no sign of zero to mind, so that a largest value is found by vector instructions.
njit_loop = _njit(**_OPTIONS, fastmath={"nsz", "nnan"})

# For code inlined into such loops: a call would keep them from becoming vector instructions.
njit_inline = _njit(**_OPTIONS, forceinline=True)


def _fma(context: Any, x: Any, y: Any, z: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fma(*values)

    return types.float64(types.float64, types.float64, types.float64), build


fma: Any = intrinsic(_fma)  # fma(x, y, z) = x y + z, rounded once
