"""Every figure's id, what it shows, how long it takes, and the module that makes it (None: not built yet)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from statmech_cl.validation import check_choice


class NotBuiltError(ValueError):
    """The figure is known but nothing makes it yet."""


@dataclass(frozen=True)
class Entry:
    """One line of `reproduce --list`. `quick` and `paper`: processor time of one core, measured, or with "~" scaled
    from what was measured; "" where nothing is known.
    `module`: name of the module in this package, None where there is none yet."""

    id: str
    shows: str
    quick: str
    paper: str
    module: str | None


_ENTRIES = (
    Entry("fig1a", "eps_g against epoch: one task, SGD, four alphas", "15 s", "45 s", "fig1a"),
    Entry("fig1b", "eps_g of task 1 against epoch over the switch to task 2", "25 s", "2 min", "fig1b"),
    Entry("fig1c", "eps_g of task 2 against epoch over the switch to task 2", "25 s", "2 min", "fig1c"),
    Entry("fig2a", "q, r, q_star against alpha: theory and gradient descent", "30 s", "2 min", "fig2a"),
    Entry("fig2b", "p and eps_g against alpha: theory and gradient descent", "15 s", "1 min", "fig2b"),
    Entry("fig2c", "convergence time of gradient descent against alpha", "70 s", "~30 min", "fig2c"),
    Entry("fig2d", "eps_g against q_star at alpha = 2: SGD, annealing, theory", "35 s", "1.5 min", "fig2d"),
    Entry("fig3a", "eps_1 against alpha_2 at gamma = 1", "2 min", "~8 min", "fig3a"),
    Entry("fig3b", "eps_2 against alpha_2 at gamma = 1", "2 min", "~8 min", "fig3b"),
    Entry("fig3c", "eps_1 against alpha_2 at gamma = 0.1", "2 min", "~8 min", "fig3c"),
    Entry("fig3d", "eps_2 against alpha_2 at gamma = 0.1", "2 min", "~8 min", "fig3d"),
    Entry("figA1a", "p and eps_g against alpha with the KL prior, beta = 100", "15 s", "1 min", "figA1a"),
    Entry("figA1b", "eps_1 against alpha_2, task 1 with the KL prior", "3 min", "~20 min", "figA1b"),
    Entry("figA1c", "eps_2 against alpha_2, task 1 with the KL prior", "3 min", "~20 min", "figA1c"),
    Entry("figA1d", "eps_1, eps_2 against alpha_2: SGD at alpha_1 = 1.4", "70 s", "~8 min", "figA1d"),
    Entry("gibbs-a", "theory against the sampled Gibbs measure, N to infinity", "4 min", "~45 min", "gibbs_a"),
    Entry("gibbs-b", "what the sampler sees along alpha; where chains disagree", "45 s", "~20 min", "gibbs_b"),
    Entry("settings", "how descent's answer moves with its setting", "40 s", "~5 min", "settings"),
    Entry("anchors", "forgetting of task 1 against error on task 2, by theory", "2 min", "~10 min", "anchors"),
    Entry("forgetting", "forgetting matrix of five tasks at three gammas, by theory", "5 s", "5 s", "forgetting"),
    Entry("deep-a", "permuted MNIST, 5 tasks: accuracy against epoch", "2 min", "", "deep_a"),
    Entry("deep-b", "MNIST then Fashion-MNIST: accuracy against epoch", "1.5 min", "", "deep_b"),
    Entry("deep-c", "weight uncertainty and KL term over the tasks", "1 min", "", "deep_c"),
    Entry("spectral", "spectral coherence and Anastrophic Beta: theory, descent, forgetting", "4 min", "", "spectral"),
)
FIGURES: dict[str, Entry] = {entry.id: entry for entry in _ENTRIES}


def load(figure: str) -> ModuleType:
    """The module that makes `figure`.

    Raises
    ------
    ValueError : unknown id (names the nearest known one), or one that is not built yet (`NotBuiltError`).
    """
    entry = FIGURES[check_choice("figure", figure, tuple(FIGURES))]
    if entry.module is None:
        raise NotBuiltError(f"figure {figure} is not built yet; `reproduce --list` shows which are")
    return importlib.import_module(f".{entry.module}", __package__)
