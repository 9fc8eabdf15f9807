"""Teachers and patterns: prescribed overlaps, labels, and streams that do not depend on the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from statmech_cl import Chain, Perceptron, Task
from statmech_cl.descent_settings import DescentSettings
from statmech_cl.simulations.perceptron.gibbs import _patterns
from statmech_cl.simulations.perceptron.teachers import (
    draw_signs,
    generator,
    mistakes,
    shared_patterns,
    signed_patterns,
    teachers,
)
from statmech_cl.simulations.perceptron.training import Disorder

TASK = Task(alpha=1.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=2), st.integers(2, 400), st.integers(0, 10**9))
def test_exact_overlaps_are_prescribed_to_rounding(overlaps, n, seed):
    w = teachers(Chain([TASK] * (1 + len(overlaps)), overlaps=overlaps), n, seed).to(torch.float64)
    assert set(w.unique().tolist()) <= {-1.0, 1.0}
    for other, r0 in zip(w[1:], overlaps, strict=True):
        # each of the at most four sign patterns is rounded by less than one site
        assert abs(float(other @ w[0]) / n - r0) <= 4 / n


def test_random_overlaps_fluctuate_around_the_prescribed_one():
    chain = Chain([TASK, TASK], overlaps=0.5)
    drawn = [teachers(chain, 400, seed, signs="random") for seed in range(200)]
    overlaps = np.array([float((w[0] * w[1]).double().mean()) for w in drawn])
    spread = np.sqrt(1 - 0.25) / 20
    assert abs(overlaps.mean() - 0.5) < 4 * spread / np.sqrt(200)
    assert overlaps.std() == pytest.approx(spread, rel=0.25)


def test_joint_law_of_three_teachers():
    law = {(1, 1): 0.1, (1, -1): 0.2, (-1, 1): 0.3, (-1, -1): 0.4}
    w = teachers(Chain([TASK] * 3, law=law), 1000, 0)
    gauge = w * w[0]
    for signs, weight in law.items():
        assert int(((gauge[1] == signs[0]) & (gauge[2] == signs[1])).sum()) == round(1000 * weight)


def test_first_teacher_does_not_depend_on_the_rest_of_the_chain():
    alone = teachers(Chain([TASK]), 100, 7)
    assert torch.equal(alone[0], teachers(Chain([TASK, TASK], overlaps=-0.3), 100, 7)[0])


def test_labels_are_signs_of_the_teacher():
    w = teachers(Chain([TASK]), 101, 3)[0]
    u = signed_patterns(w, 500, generator(3, 0, "patterns"))
    assert u.dtype == torch.int8 and u.shape == (500, 101)
    assert (u.to(torch.int64) @ w.to(torch.int64) > 0).all()  # n odd: no ties, y x . W = |x . W|


def test_streams_are_independent_and_reproducible():
    draws = {
        key: draw_signs((200,), generator(*key)).double()
        for key in [(0, 0, "patterns"), (1, 0, "patterns"), (0, 1, "patterns"), (0, 0, "test")]
    }
    values = list(draws.values())
    for i, a in enumerate(values):
        for b in values[:i]:
            assert abs(float(a @ b)) < 5 * np.sqrt(200)
    assert torch.equal(values[0], draw_signs((200,), generator(0, 0, "patterns")).double())


def test_bad_arguments():
    with pytest.raises(ValueError, match="signs must be one of exact, random"):
        teachers(Chain([TASK]), 10, 0, signs="fixed")
    with pytest.raises(ValueError, match="n must be"):
        teachers(Chain([TASK]), 0, 0)


def test_patterns_shared_by_teachers_are_each_teachers_own():
    """Flipped, the patterns signed by the first teacher are what each teacher alone would be given; ties included."""
    chain = Chain((Task(alpha=1.0), Task(alpha=1.0), Task(alpha=1.0)), overlaps=0.2)
    w = teachers(chain, 40, 5)
    signed, flips = shared_patterns(w, 300, generator(5, 0, "patterns"))
    assert (flips[0] == 1).all() and (flips[1:] == -1).any()
    for teacher, flip in zip(w, flips, strict=True):
        alone = signed_patterns(teacher, 300, generator(5, 0, "patterns"))
        assert torch.equal(alone, signed * flip.unsqueeze(-1))
    assert ((w.float() @ signed.float().T) == 0).any()


def test_a_noisy_teacher_flips_its_share_of_labels():
    flips = [0.0, 0.1, 0.4]
    wrong = mistakes(flips, 20_000, seed=3, task=1)
    assert (wrong[0] == 1).all()
    for wanted, row in zip(flips[1:], wrong[1:], strict=True):
        share = (row == -1).double().mean().item()
        assert abs(share - wanted) < 4.0 * (wanted * (1 - wanted) / 20_000) ** 0.5
    assert (wrong[2][wrong[1] == -1] == -1).all()  # who errs rarely errs nowhere else
    assert not torch.equal(wrong, mistakes(flips, 20_000, seed=4, task=1))


def test_what_is_learned_is_noisy_and_what_is_tested_is_not():
    chains = [Chain((Task(alpha=1.0, channel=Perceptron(flips=flips)),)) for flips in (0.0, 0.2)]
    disorder = Disorder(chains, 500, (0, 1), DescentSettings(), torch.device("cpu"))
    signed, flips = disorder.patterns(0, torch.float64)
    clean, none = Disorder(chains[:1], 500, (0, 1), DescentSettings(), torch.device("cpu")).patterns(0, torch.float64)
    assert none is None and torch.equal(signed, clean)
    assert flips is not None and (flips[:, 0] == 1).all()
    for seed in (0, 1):
        assert torch.equal(flips[seed, 1].to(torch.int8), mistakes([0.2], 500, seed, 0)[0])
    assert disorder.fresh(0, 500, torch.float64)[1] is None
    alone, _ = Disorder(chains[1:], 500, (0, 1), DescentSettings(), torch.device("cpu")).patterns(0, torch.float64)
    assert torch.equal(alone, signed * flips[:, 1].to(torch.int8).unsqueeze(-1))
    assert torch.equal(alone, _patterns(chains[1], disorder.teachers[1], 0, (0, 1), 500))
