"""The figures of trees at toy sizes: computed, judged by their rule, drawn."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from statmech_cl import Chain, Task, Tree, solve
from statmech_cl.paper_repro import FIGURES, reproduce
from statmech_cl.paper_repro.tree_rows import tree_chain_row

SMALL: dict[str, dict[str, Any]] = {"tree-b": {"alpha": [0.5], "hidden_layers": [0, 1], "r0": [0.0, 0.5]}}


@pytest.mark.parametrize("figure", sorted(SMALL))
def test_figure_is_computed_judged_and_drawn(figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scales = FIGURES[figure].scales
    small = {**copy.deepcopy(scales["quick"]), **SMALL[figure]}
    assert set(small) == set(scales["quick"]), f"{figure}: a size that the figure does not have"
    monkeypatch.setitem(scales, "quick", small)
    result = reproduce(figure, out=tmp_path, quiet=True)
    assert result.verdict.holds and result.verdict.rows and result.verdict.sentence.endswith(".")
    assert all(path.stat().st_size > 0 for path in result.files)


def test_rows_are_those_of_solve() -> None:
    tasks = Task(alpha=0.5, channel=Tree()), Task(alpha=0.4, gamma=0.7, anchor="ewc", channel=Tree())
    chain, alone = solve(Chain(tasks, overlaps=0.2)), solve(Task(alpha=0.4, channel=Tree()))
    row = tree_chain_row(alpha=[0.5, 0.4], beta=20.0, r0=0.2, hidden_layers=1, anchor="ewc", gamma=0.7)
    assert row["eps_g"] == chain.eps_g.tolist()
    assert row["forgetting"] == [chain.eps_g[1, 0] - chain.eps_g[0, 0]]
    assert row["gain"] == alone.eps_g - chain.eps_g[1, 1]
