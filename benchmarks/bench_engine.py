"""The engine against its goals, against the core it runs on, and against plain NumPy/SciPy doing the same quadrature.

    python benchmarks/bench_engine.py [--repeats 30] [--cold]

One core, warm, beta = 20 without prior. Times are processor time, the minimum over repeats, so that neighbours on a
busy machine count little. --cold also times a first solve with an empty JIT cache, which compiles for several seconds.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import njit
from scipy import special
from table import Row, fastest, parser_of, show

from statmech_cl import Task, solve, trace
from statmech_cl.equilibrium import saddle
from statmech_cl.kernels import energetic as energetic_module
from statmech_cl.kernels.sums import sums
from statmech_cl.orders import Orders, to_unknowns

BETA = 20.0


@njit
def _four_sums(weights: np.ndarray, h: np.ndarray, hh: np.ndarray, uh: np.ndarray) -> Any:
    return sums(weights, (h, hh, uh))


@contextmanager
def counting() -> Iterator[list[int]]:
    """Counts the nodes of the inner integrals while the energetic kernel runs uncompiled."""
    count = [0]
    weigh = energetic_module._weigh

    def counted(x: np.ndarray, *others: Any) -> None:
        count[0] += x.size
        weigh(x, *others)

    compiled = {
        name: getattr(energetic_module, name) for name in ("energetic", "tilted", "_by_shared_nodes", "_average")
    }
    for name, kernel in compiled.items():
        setattr(energetic_module, name, kernel.py_func)
    energetic_module._weigh = counted
    energetic_module.sums = lambda weights, others: _four_sums(weights, *others)
    try:
        yield count
    finally:
        energetic_module._weigh, energetic_module.sums = weigh, sums
        for name, kernel in compiled.items():
            setattr(energetic_module, name, kernel)


def bare_loop(rows: np.ndarray, weights: np.ndarray) -> None:
    """What the core can do: an exponential and four sums a node, and nothing else."""
    energetic_module._weigh(rows[0], rows[1], rows[2], 0.0, 0.0, weights)
    _four_sums(weights, *rows[3:])


def numpy_image(orders: Orders, alpha: float) -> tuple[Orders, tuple[float, float, float]]:
    """One application of the map, G_E, G_S and replicon in NumPy/SciPy: same rules, inner integrals as matrix rows.

    The nodes of the inner integrals are placed by the engine's compiled code, so that the ratio is a lower bound.
    """
    q, r, v, d, u = orders
    scale = math.sqrt(u * d / (u + d))
    reach = math.sqrt(74.0)
    t = 0.13 * np.arange(-int(math.asinh(reach * math.sqrt(q) / scale) / 0.13) - 1,
                         int(math.asinh(reach * math.sqrt(u) / scale) / 0.13) + 2)  # fmt: skip
    w = scale * np.sinh(t)
    s = math.sqrt(v / d)
    shift = np.maximum(w / math.sqrt(d), -9.0 - 9.0 * s)  # H = 1 below
    y, jacobian = inner_nodes(shift, s)
    log_h = special.log_ndtr(-y)
    h = np.exp(-0.5 * y * y - log_h) / math.sqrt(2.0 * math.pi)
    exponent = -0.5 * ((y - shift[:, None]) / s) ** 2 + BETA * log_h
    top = exponent.max(1, keepdims=True)
    weight = np.exp(exponent - top) * jacobian
    norm = weight.sum(1, keepdims=True)
    weight /= norm
    f = (top + np.log(norm))[:, 0] - 0.5 * math.log(2.0 * math.pi * s * s)
    h1, h2, uh = weight @ h, weight @ (h * h), weight @ (y * h)
    second = BETA / d * ((BETA - 1.0) * h2 + uh - BETA * h1 * h1)
    jacobian = scale * np.cosh(t) * 0.13 / math.sqrt(2.0 * math.pi)
    outer = 2.0 * jacobian / math.sqrt(q) * np.exp(-0.5 * w * w / q) * special.ndtr(-r * w / math.sqrt(q * u))
    q_hat = alpha * BETA**2 / d * (outer @ h1**2)
    narrow = jacobian / math.sqrt(u) * np.exp(-0.5 * w * w / u)
    r_hat = alpha * 2.0 * BETA / math.sqrt(2.0 * math.pi * d) * (narrow @ h1)
    a = alpha * 0.5 * BETA * (BETA - 1.0) / d * (outer @ h2) - 0.5 * q_hat

    # the nodes of the engine: where to put them is not what is compared
    b, field_weight = saddle_nodes(r_hat, q_hat, a)
    m, short, base = local(a, b)
    exponent = base + b[:, None] * m
    top = exponent.max(1, keepdims=True)
    weight = np.exp(exponent - top)
    norm = weight.sum(1, keepdims=True)
    weight /= norm
    mean, edge = weight @ m, weight @ short
    variance = (weight * (m - mean[:, None]) ** 2).sum(1)
    first = field_weight @ mean
    after = Orders(
        field_weight @ mean**2, first, field_weight @ variance, field_weight @ edge, field_weight @ (mean - first) ** 2
    )
    g_s = field_weight @ (top + np.log(norm))[:, 0]
    return after, (outer @ f, g_s, alpha * (outer @ second**2) * (field_weight @ variance**2))


def inner_nodes(shift: np.ndarray, s: float) -> tuple[np.ndarray, np.ndarray]:
    coordinate = energetic_module._coordinate(s, BETA, 1.0)
    return energetic_module._shared_nodes(shift[0] - 9.0 * s, shift[-1] + 9.0 * s, *coordinate)


def saddle_nodes(r_hat: float, q_hat: float, a: float) -> tuple[np.ndarray, np.ndarray]:
    from statmech_cl.kernels.grids import field_nodes

    return field_nodes(r_hat, q_hat, a, False, 1.0)


def local(a: float, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from statmech_cl.kernels.local import interval_nodes

    m, _, sech2, base = interval_nodes(a, 0.0, max(abs(b[0]), abs(b[-1])) + 2.0 * abs(a), 1.0)
    return m, sech2, base


def differ(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Largest distance between two tuples."""
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def process(code: str, repeats: int, cache: str | None = None) -> float:
    """Seconds of processor time of `code` inside a fresh process, the fastest of `repeats`."""
    timed = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    environment = os.environ | ({} if cache is None else {"NUMBA_CACHE_DIR": cache})
    command = [sys.executable, "-c", timed]
    return min(
        float(subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout)
        for _ in range(repeats)
    )


def solving(repeats: int, cold: bool) -> Iterator[Row]:
    """What a user waits for, beside its goal."""
    few = max(2, repeats // 10)
    alphas = np.linspace(0.005, 1.0, 200)
    for alpha, goal in ((0.5, 0.9e-3), (2.0, 1.3e-3)):
        spent = fastest(lambda a=alpha: solve(Task(alpha=a)), repeats)
        yield Row(
            what=f"one solve, alpha = {alpha:g}", seconds=spent, reference="goal (limit 5 ms)", reference_seconds=goal
        )
    grid = fastest(lambda: [solve(Task(alpha=float(x))) for x in alphas], few)
    yield Row(what="200 alphas in (0, 1]", seconds=grid, reference="goal", reference_seconds=0.4)
    curves = fastest(lambda: trace(Task(alpha=1.0), span=(0.2, 2.2)), few)
    yield Row(what="branches, 0.2 to 2.2", seconds=curves, reference="goal", reference_seconds=3.0)
    loaded = process("import statmech_cl", 3)
    yield Row(what="import statmech_cl", seconds=loaded, reference="goal", reference_seconds=0.5)
    first = "from statmech_cl import Task, solve; solve(Task(alpha=0.5))"
    with tempfile.TemporaryDirectory() as cache:
        compiling = process(first, 1, cache)
        if cold:
            what = "import and first solve, empty cache"
            yield Row(what=what, seconds=compiling, reference="goal", reference_seconds=15.0)
        warm = process(first, 3, cache)
        yield Row(what="import and first solve, warm cache", seconds=warm, reference="goal", reference_seconds=0.6)


def mapping(repeats: int) -> Iterator[Row]:
    """One application of the equations beside NumPy/SciPy, and its energetic side beside what the core can do."""
    rows, weights = np.random.default_rng(0).normal(0.0, 3.0, (6, 10_000)), np.empty(10_000)
    bare = fastest(lambda: bare_loop(rows, weights), repeats) / weights.size
    for alpha in (0.5, 2.0):
        task = Task(alpha=alpha)
        equations = saddle.equations_of(task)
        solution = solve(task)
        orders = Orders(
            solution.q, solution.r, solution.q_star - solution.q, 1 - solution.q_star, solution.q - solution.r**2
        )
        with counting() as count:
            solve(task)
        per_solve = count[0]
        with counting() as count:
            energetic_module.energetic(*orders, BETA, 0.0, 1.0)
        per_image = count[0]
        energetic = fastest(lambda o=orders: energetic_module.energetic(*o, BETA, 0.0, 1.0), repeats)
        y = to_unknowns(orders)
        compiled = fastest(lambda e=equations, y=y: e.image(y), repeats)
        plain = fastest(lambda o=orders, a=alpha: numpy_image(o, a), repeats)
        here, (again, others) = equations.image(y), numpy_image(orders, alpha)
        apart = differ(here.after[:4], again[:4]), differ((here.g_e, here.g_s, here.replicon), others)
        yield Row(
            what=f"one map, alpha = {alpha:g}",
            seconds=compiled,
            reference="NumPy/SciPy, same quadrature",
            reference_seconds=plain,
            note=f"order parameters {apart[0]:.0e} apart, G and replicon {apart[1]:.0e}",
        )
        yield Row(
            what=f"its energetic side, alpha = {alpha:g}",
            seconds=energetic,
            share=bare * per_image / energetic,
            limit=f"bare loop {1e9 * bare:.1f} ns for each node",
            note=f"{per_image} nodes at {1e9 * energetic / per_image:.1f} ns; {per_solve} a solve",
        )


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=30, help="timed repeats of each")
    parser.add_argument("--cold", action="store_true", help="time a first solve with an empty JIT cache, too")
    options = parser.parse_args()
    show([*solving(options.repeats, options.cold), *mapping(options.repeats)], as_json=options.json)


if __name__ == "__main__":
    main()
