"""Sums in a fixed order beside exact ones, and the same digits from a first run and a later one."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmech_cl.kernels import sums
from statmech_cl.kernels._jit import njit

ARRAYS = st.lists(st.floats(-1e3, 1e3), max_size=70).map(np.array)


@given(x=ARRAYS)
def test_a_total_is_the_exact_sum_to_rounding(x: np.ndarray) -> None:
    x = x.astype(float)
    assert sums.total(x) == pytest.approx(math.fsum(x), rel=0, abs=1e-15 * x.size * (1e-300 + np.abs(x).sum()))


@given(x=ARRAYS)
def test_a_dot_product_is_the_exact_one_to_rounding(x: np.ndarray) -> None:
    x = x.astype(float)
    y = np.cos(x)
    exact = math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True))
    assert sums.dot(x, y) == pytest.approx(exact, rel=0, abs=2e-15 * x.size * (1e-300 + np.abs(x * y).sum()))


@njit
def _at_once(x: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    return sums.sums(x, (y, x))


@given(x=ARRAYS)
def test_sums_taken_at_once_are_those_taken_alone(x: np.ndarray) -> None:
    x = x.astype(float)
    y = np.cos(x)
    assert _at_once(x, y) == (sums.total(x), sums.dot(x, y), sums.dot(x, x))


def test_sums_of_strided_arrays_are_refused() -> None:
    with pytest.raises(AssertionError, match="contiguous"):
        _at_once(np.ones(8)[::2], np.ones(4))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "chain --alpha 0.5 --alpha 0.5:0.7:0.1 --json",
        "chain --alpha 0.5 --alpha 0.5 --anchor ewc --gamma 0.1 --json",
        "chain --alpha 0.5 --alpha 0.5 --anchor l2 --gamma 0.1 --json",
        "branches --alpha 0.4:0.8 --json",
        "solve --alpha 1 --rsb 1 --json",
    ],
)
def test_the_run_that_compiles_ends_in_the_digits_of_the_next(tmp_path: Path, arguments: str) -> None:
    command = [sys.executable, "-m", "statmech_cl", *arguments.split()]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, check=True, timeout=300).stdout for _ in range(2)
    )
    assert first == second and first
