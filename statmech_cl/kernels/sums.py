"""Sums in an order of their own: eight at once, by vector instructions, and always the same digits.

Of a loop that adds up, Numba makes one sum after the other, or leaves their order to the compiler. So this one is
written for LLVM directly: eight sums side by side, joined at the end, and one by one what is left over.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._jit import njit

_LANES = 8


def _sums(typing: Any, x: Any, others: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kinds = [x, *others]
        given = [values[0], *cgutils.unpack_tuple(builder, values[1])]
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in zip(kinds, given, strict=True)]
        size = cgutils.unpack_tuple(builder, arrays[0].shape)[0]
        whole = builder.and_(size, size.type(-_LANES))

        def add(kind: Any, name: str, first: Any, last: Any, step: int) -> list[Any]:
            """The sums over [first, last), of `step` entries at once."""
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.{name}")
            sums = [cgutils.alloca_once_value(builder, kind(None)) for _ in arrays]
            with cgutils.for_range_slice(builder, first, last, size.type(step)) as (k, _):
                places = [builder.bitcast(builder.gep(array.data, [k]), kind.as_pointer()) for array in arrays]
                here, *beside = [builder.load(place, align=8) for place in places]
                builder.store(builder.fadd(builder.load(sums[0]), here), sums[0])
                for at, entry in zip(sums[1:], beside, strict=True):
                    builder.store(builder.call(fma, [here, entry, builder.load(at)]), at)
            return [builder.load(at) for at in sums]

        def joined(lanes: Any) -> Any:
            parts = [builder.extract_element(lanes, ir.IntType(32)(k)) for k in range(_LANES)]
            while len(parts) > 1:
                half = len(parts) // 2
                parts = [builder.fadd(a, b) for a, b in zip(parts[:half], parts[half:], strict=True)]
            return parts[0]

        double = ir.DoubleType()
        eight = add(ir.VectorType(double, _LANES), f"v{_LANES}f64", size.type(0), whole, _LANES)
        rest = add(double, "f64", whole, size, 1)
        both = [builder.fadd(one, joined(lanes)) for one, lanes in zip(rest, eight, strict=True)]
        return context.make_tuple(builder, signature.return_type, both)

    assert all(kind.layout == "C" for kind in (x, *others)), "sums takes contiguous arrays"
    return types.UniTuple(types.float64, 1 + len(others))(x, others), build


sums: Any = intrinsic(_sums)  # sums(x, (y, z)) = sum of x, of x y and of x z, all contiguous and of one size


@njit
def total(x):
    """Sum of x, (n,)."""
    return sums(x, ())[0]


@njit
def dot(x, y):
    """Sum of x y, both (n,)."""
    return sums(x, (y,))[1]
