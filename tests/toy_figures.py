"""Figures of the table at toy sizes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from statmech_cl.paper_repro import FIGURES, reproduce


def shrink(figure: str, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale quick of the figure, with these sizes in place of its own."""
    scales = FIGURES[figure].scales
    small = {**copy.deepcopy(scales["quick"]), **changed}
    assert set(small) == set(scales["quick"]), f"{figure}: a size that the figure does not have"
    monkeypatch.setitem(scales, "quick", small)


def drawn(figure: str, changed: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The result of a figure so shrunk: computed, drawn, and judged by what it says; it need not hold."""
    shrink(figure, changed, monkeypatch)
    result = reproduce(figure, out=folder, quiet=True)
    assert result.verdict.rows and result.verdict.sentence.endswith(".")
    assert all(path.stat().st_size > 0 for path in result.files)
    return result
