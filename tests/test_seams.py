"""What a user may add from outside: a channel, an anchor, equations of another size; and problems that travel whole."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_saddle import deviations

from statmech_cl import Chain, Task, anchors, channels, problem, solve, trace
from statmech_cl.channels import Perceptron
from statmech_cl.equilibrium.continuation import first_node, follow, locate
from statmech_cl.equilibrium.saddle import newton
from statmech_cl.orders import Orders, PatternAverages

# --- channels ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contrary:
    """A teacher who says the opposite of what it knows: the theory of a perceptron with r for -r."""

    kind: ClassVar[str] = "contrary"

    def averages(self, orders: Orders, beta: float, refine: float) -> PatternAverages:
        hats, g_e, bend = Perceptron().averages(orders._replace(r=-orders.r), beta, refine)
        return PatternAverages(hats._replace(r_hat=-hats.r_hat), g_e, bend)

    def aligned(self, alpha: float, beta: float, kappa: float) -> Orders:
        orders = Perceptron().aligned(alpha, beta, kappa)
        return orders._replace(r=-orders.r)

    def eps_g(self, flipped: float) -> float:
        return channels.angle(flipped)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_a_channel_from_outside(alpha: float) -> None:
    plain, contrary = solve(Task(alpha=alpha)), solve(Task(alpha=alpha, channel=Contrary()))
    assert contrary.r == pytest.approx(-plain.r, abs=1e-9)
    assert contrary.q == pytest.approx(plain.q, abs=1e-9)
    assert contrary.eps_g == pytest.approx(1.0 - plain.eps_g, abs=1e-9)
    chain = Chain((Task(alpha=alpha), Task(alpha=1.0, channel=Contrary(), gamma=0.0)), overlaps=0.0)
    assert solve(chain).eps_g[1, 1] == pytest.approx(1.0 - solve(Task(alpha=1.0)).eps_g, abs=1e-9)


def test_a_channel_is_known_once_it_is_registered() -> None:
    with pytest.raises(ValueError, match=r"^channel kind must be one of .*perceptron.*, got 'contrary'"):
        channels.from_dict({"kind": "contrary"})
    with pytest.raises(ValueError, match=r"^channel must be a channel such as Perceptron\(\), got 'noisy'"):
        Task(alpha=1.0, channel="noisy")  # type: ignore[arg-type]


# --- a noisy teacher --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "flips", "beta"), [(0.5, 0.1, 20.0), (2.5, 0.05, 20.0), (1.0, 0.3, 5.0)])
def test_a_noisy_teacher_against_slow_integration(alpha: float, flips: float, beta: float) -> None:
    solution = solve(Task(alpha=alpha, beta=beta, channel=Perceptron(flips=flips)))
    assert solution.residual < 1e-10 and solution.quadrature_error < 1e-9
    for name, gap in deviations(solution).items():
        assert gap < 1e-9, name


def test_flips_interpolate_between_a_teacher_and_none() -> None:
    plain = solve(Task(alpha=0.8))
    assert solve(Task(alpha=0.8, channel=Perceptron(flips=0.0))).q == plain.q
    errors = [solve(Task(alpha=0.8, channel=Perceptron(flips=flips))).eps_g for flips in (0.0, 0.05, 0.2, 0.4, 0.499)]
    assert np.all(np.diff(errors) > 0.0) and errors[-1] < 0.5


def test_a_noisy_teacher_is_learned_at_large_alpha() -> None:
    """Perfect overlap of signs comes at large alpha, though q_star stays below 1: there is no perfect student."""
    solution = solve(Task(alpha=3.0, channel=Perceptron(flips=0.1)), branch="high")
    assert solution.status == "converged" and solution.q_star < 0.99 and solution.eps_g < 0.25
    traced = trace(Task(alpha=3.0, channel=Perceptron(flips=0.1)), span=(0.1, 3.0))
    (last,) = (point for point in traced.points if point.task.alpha == 3.0)
    assert last.eps_g == pytest.approx(solution.eps_g, abs=1e-9)


@pytest.mark.parametrize("flips", [-0.1, 0.5, float("nan"), "0.1"])
def test_flips_out_of_range(flips: object) -> None:
    with pytest.raises(ValueError, match=r"^flips must be a finite number in \[0, 0.5\), got "):
        Perceptron(flips=flips)  # type: ignore[arg-type]


# --- anchors ----------------------------------------------------------------------------------------------------------


def test_an_anchor_from_outside_reaches_the_theory() -> None:
    """Half the stiffness at twice the strength is EWC."""
    half = anchors.Anchor(
        "half-ewc", "half EWC", curvature=lambda ref: 0.5 / np.cosh(np.minimum(np.abs(ref), 300)) ** 2
    )
    with pytest.raises(ValueError, match=r"^anchor must be one of none, kl, ewc, l2, got 'half-ewc'"):
        Task(alpha=1.0, anchor="half-ewc")
    anchors.register(half)
    try:
        first = Task(alpha=0.5)
        new, known = (
            solve(Chain((first, Task(alpha=0.5, gamma=gamma, anchor=name)), overlaps=0.2))
            for name, gamma in (("half-ewc", 2.0), ("ewc", 1.0))
        )
        assert np.abs(new.eps_g - known.eps_g).max() < 1e-12
        with pytest.raises(ValueError, match=r"^name must be a new one, got 'half-ewc'"):
            anchors.register(half)
    finally:
        anchors.unregister("half-ewc")


def test_an_anchor_is_a_divergence_or_quadratic() -> None:
    with pytest.raises(ValueError, match=r"^curvature must be None where kl > 0"):
        anchors.Anchor("both", "both", kl=1.0, curvature=np.ones_like)


# --- equations of another size ----------------------------------------------------------------------------------------


class Step(NamedTuple):
    y: np.ndarray
    gap: np.ndarray
    hats: Hats4

    @property
    def settled(self) -> bool:
        return bool(np.abs(self.gap).max() < 1e-12)

    @property
    def at_edge(self) -> bool:
        return False


class Hats4(NamedTuple):
    size: float


@dataclass(frozen=True)
class Four:
    """Four unknowns with one fold: y_0^2 = 1 - c, the others follow it."""

    c: float
    size: int = 4
    difference: float = 1e-6

    def image(self, y: np.ndarray, refine: float = 1.0) -> Step:
        gap = np.array([1.0 - self.c - y[0] ** 2, y[0] - y[1], math.sin(y[1]) - y[2], y[2] * y[0] - y[3]])
        return Step(y, gap, Hats4(1.0))


def test_newton_and_continuation_take_any_size() -> None:
    start = newton(Four(0.0), np.array([0.9, 0.8, 0.7, 0.6]))
    assert start.converged and start.image.y == pytest.approx([1.0, 1.0, math.sin(1.0), math.sin(1.0)])
    curve = follow(Four, first_node(Four, start.image.y, 0.0, 1.0), -0.5, 2.0)
    assert len(curve.folds()) == 1 and curve.end == "span"
    k = curve.folds()[0]
    fold = locate(Four, curve.nodes[k], curve.nodes[k + 1], lambda node: float(node.tangent[-1]))
    assert fold.c == pytest.approx(1.0, abs=1e-9) and fold.x[:4] == pytest.approx([0.0] * 4, abs=1e-6)
    assert curve.nodes[-1].x[0] == pytest.approx(-math.sqrt(1.5), abs=1e-9)


# --- problems travel whole --------------------------------------------------------------------------------------------

tasks = st.builds(
    Task,
    alpha=st.floats(0.0, 5.0),
    beta=st.floats(0.5, 100.0),
    prior=st.sampled_from(["none", "kl"]),
    q_star=st.one_of(st.none(), st.floats(0.01, 0.99)),
    gamma=st.floats(0.0, 10.0),
    anchor=st.sampled_from(["none", "kl", "ewc", "l2"]),
    memory=st.floats(0.0, 1.0),
    channel=st.builds(Perceptron, flips=st.floats(0.0, 0.49)),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(tasks, min_size=1, max_size=3), st.data())
def test_problems_come_back_from_plain_values(several: list[Task], data: st.DataObject) -> None:
    overlaps = data.draw(st.lists(st.floats(-1.0, 1.0), min_size=len(several) - 1, max_size=len(several) - 1))
    for whole in (several[0], Chain(tuple(several), overlaps=overlaps)):
        assert problem.from_dict(json.loads(json.dumps(problem.to_dict(whole)))) == whole


def test_a_chain_by_its_law_comes_back() -> None:
    whole = Chain((Task(alpha=1.0),) * 3, law={(1, 1): 0.5, (-1, 1): 0.25, (-1, -1): 0.25})
    assert problem.from_dict(json.loads(json.dumps(problem.to_dict(whole)))) == whole


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": {"alpha": 1.0, "gama": 1.0}}, r"^task field must be one of .*, got 'gama' \(did you mean 'gamma'"),
        ({"task": {"beta": 1.0}}, r"^alpha must be given"),
        ({"tasks": []}, r"^problem must hold one of task and chain, got \['tasks'\]"),
        ({"chain": {"tasks": [{"alpha": -1.0}]}}, r"^alpha must be a finite number in \[0, inf\), got -1.0"),
        (
            {"task": {"alpha": 1.0, "channel": {"kind": "perceptron", "flip": 0.1}}},
            r"got 'flip' \(did you mean 'flips'",
        ),
    ],
)
def test_a_problem_of_the_wrong_shape(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem.from_dict(values)
