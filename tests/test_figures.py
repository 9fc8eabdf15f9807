"""Drawing: results in, Axes out."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas
import pytest
from matplotlib.axes import Axes

from statmech_cl import Task, figures, solve, trace
from statmech_cl.figures import deep
from statmech_cl.paper_repro import curves, fig2b
from statmech_cl.paper_repro.figure import Data


@pytest.fixture
def ax() -> Axes:
    return figures.new()[1]


def _lines(ax: Axes) -> list[tuple[str, list[float], list[float]]]:
    return [(line.get_linestyle(), list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]


@pytest.mark.parametrize(
    "source",
    [
        [{"alpha": 1.0, "q": 0.1}, {"alpha": 2.0, "q": 0.2}],
        {"alpha": [1.0, 2.0], "q": [0.1, 0.2]},
        pandas.DataFrame({"alpha": [1.0, 2.0], "q": [0.1, 0.2]}),
        type("Branch", (), {"alpha": np.array([1.0, 2.0]), "q": np.array([0.1, 0.2])})(),
    ],
)
def test_curve_takes_rows_columns_tables_and_objects(ax: Axes, source: object) -> None:
    assert figures.curve(ax, source, "q", label="theory") is ax
    assert _lines(ax) == [("-", [1.0, 2.0], [0.1, 0.2])]
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"$\alpha$", "$q$")


def test_unstable_stretches_are_dashed_and_leave_no_gap(ax: Axes) -> None:
    source = {"alpha": np.arange(6.0), "q": np.arange(6.0)}
    figures.curve(ax, source, "q", stable=[True, True, False, False, True, True], label="theory")
    assert [(line, x) for line, x, _ in _lines(ax)] == [
        ("-", [0.0, 1.0]),
        ("--", [1.0, 2.0, 3.0, 4.0]),
        ("-", [4.0, 5.0]),
    ]
    assert len(ax.get_legend_handles_labels()[1]) == 1


def test_a_branch_is_one_line_of_code(ax: Axes) -> None:
    branch = trace(Task(alpha=1.0), span=(0.3, 1.0))
    figures.curve(ax, branch, "eps_g", label="theory")
    solid, dashed = _lines(ax)
    assert (solid[0], dashed[0]) == ("-", "--")
    assert max(solid[1]) < branch.stability[0] < max(dashed[1]) == pytest.approx(1.0)
    assert len(ax.get_legend_handles_labels()[1]) == 1


def test_solutions_and_sweep_tables_say_themselves_where_they_are_stable(ax: Axes) -> None:
    solutions = [solve(Task(alpha=alpha)) for alpha in (0.5, 0.6, 0.9, 1.0)]
    figures.curve(ax, solutions, "q")
    figures.curve(ax, pandas.DataFrame([solution.to_dict() for solution in solutions]), "q")
    assert [line for line, _, _ in _lines(ax)] == ["-", "--", "-", "--"]


def test_one_solution_is_a_point(ax: Axes) -> None:
    figures.curve(ax, [{"alpha": 1.0, "q": 0.1}], "q")
    assert ax.lines[0].get_marker() == "o"


def test_missing_values_leave_gaps(ax: Axes) -> None:
    figures.curve(ax, [{"alpha": 1.0, "q": 0.1}, {"alpha": 2.0, "q": None}], "q")
    assert np.isnan(ax.lines[0].get_ydata()[1])


def test_points_carry_their_error_bars(ax: Axes) -> None:
    rows = [{"alpha": 1.0, "p": 0.5, "p_error": 0.1}, {"alpha": 2.0, "p": 0.7, "p_error": 0.2}]
    figures.points(ax, rows, "p", label="descent")
    segments = ax.containers[0].lines[2][0].get_segments()
    assert np.allclose([segment[:, 1] for segment in segments], [[0.4, 0.6], [0.5, 0.9]])


def test_style_is_vector_and_stays_inside_its_block() -> None:
    before = mpl.rcParams["font.size"]
    with figures.style():
        assert mpl.rcParams["pdf.fonttype"] == 42
        fig, ax = figures.new()
        figures.curve(ax, {"alpha": [1.0, 2.0], "q": [0.1, 0.2]}, "q")
        buffer = io.BytesIO()
        fig.savefig(buffer, format="pdf")
    assert mpl.rcParams["font.size"] == before
    assert b"/FontFile2" in buffer.getvalue()  # TrueType, embedded
    assert b"/Subtype /Image" not in buffer.getvalue()


def test_colours_differ_for_colour_blind_readers() -> None:
    with figures.style():
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in cycle])
    # Viénot, Brettel & Mollon (1999): what deuteranopes see, in linear RGB.
    linear = rgb**2.2
    seen = linear @ np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]).T
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[np.triu_indices(len(cycle), 1)]
    assert distance.min() > 0.1


@pytest.mark.parametrize(("kind", "starts"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_same_picture_has_the_same_bytes(kind: str, starts: bytes) -> None:
    files = []
    for _ in range(2):
        with figures.style():
            fig, ax = figures.new()
            ax.plot([0, 1], [0, 1], marker="o", clip_on=True)
            files.append(figures.rendered(fig, kind))
    assert files[0] == files[1] and files[0].startswith(starts)


def test_grey_lines_say_what_they_mark(ax: Axes) -> None:
    figures.marked(ax, 1.65, "task 2 begins")
    assert [text.get_text() for text in ax.texts] == ["task 2 begins"]
    assert ax.lines[0].get_xdata()[0] == ax.texts[0].xy[0] == 1.65


def test_the_plane_of_a_second_task_names_its_alpha() -> None:
    plane = {"x": "alpha", "y": "overlap", "box": [[0.1, 5.0], [-0.9, 0.9]], "curves": [], "cusps": [], "regions": []}
    assert figures.phase_diagram(plane).axes[0].get_xlabel() == r"$\alpha$"
    assert figures.phase_diagram(plane, n_tasks=2).axes[0].get_xlabel() == r"$\alpha_{2}$"
    assert figures.phase_diagram({**plane, "x": "alpha_1"}, n_tasks=2).axes[0].get_xlabel() == r"$\alpha_{1}$"


def test_the_words_of_a_narrow_region_stand_below_each_other() -> None:
    curves = [{"event": "fold", "x": [x, x], "y": [0.0, 1.0]} for x in (0.43, 0.57)]
    regions = [{"label": "two solutions, unstable", "share": 0.2, "alpha": x, "overlap": 0.5} for x in (0.2, 0.5)]
    box = [[0.0, 1.0], [0.0, 1.0]]
    plane = {"x": "alpha", "y": "overlap", "box": box, "curves": curves, "cusps": [], "regions": regions}
    (ax,) = figures.phase_diagram(plane).axes
    assert [text.get_text() for text in ax.texts] == ["two solutions\nunstable", "two\nsolutions\nunstable"]
    right = [line.get_window_extent().x0 for line in ax.lines]
    assert right[0] < ax.texts[1].get_window_extent().x0 < ax.texts[1].get_window_extent().x1 < right[1]


def test_fig2b_bounds_an_error_that_a_logarithm_cannot_show() -> None:
    limits = [
        {"kind": "limit", "alpha_1": a, "eps_1": e, "p_1_error": 0.004} for a, e in ((1.8, 0.1), (1.9, 0.0), (2.0, 0.0))
    ]
    seen = [{"kind": "descent", "alpha_1": a, "p_1": p} for a, p in ((1.8, 0.95), (1.9, 0.999), (2.0, 1.0))]
    data = Data([*limits, *seen], {"sizes": [[100, 3]]})
    (first, small), (second, bound) = fig2b._bounds(data)
    assert (first, second) == (1.9, 2.0)
    assert np.cos(np.pi * small) == pytest.approx(1.0 - 2.0 * 0.004)  # signs were wrong: the limit is cut off at p = 1
    assert np.cos(np.pi * bound) == pytest.approx(1.0 - 2.0 * 3.0 / 300.0)  # 3 of 300 signs wrong


def test_a_legend_says_what_a_band_is() -> None:
    rows = [
        {
            "method": "vcl",
            "seed": s,
            "after_task": 1,
            "epoch": e,
            "on_task": 1,
            "view": "sign",
            "accuracy": 0.5 + 0.1 * s,
        }
        for s in (0, 1)
        for e in (1, 2)
    ]
    (legend,) = deep.accuracy_against_epoch(rows).legends
    assert "one standard error" in legend.get_title().get_text()


def test_the_errors_of_a_chain_are_typeset(ax: Axes) -> None:
    figures.curve(ax, {"alpha_2": [0.5, 1.0], "eps_1": [0.1, 0.2]}, "eps_1", x="alpha_2")
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"$\alpha_2$", r"$\epsilon_1$")


def test_a_line_of_theory_goes_through_its_rows_in_their_order() -> None:
    rows = [{"kind": "dynamics", "q_star": q, "eps_1": e} for q, e in ((0.3, 0.5), (0.25, 0.4), (0.4, 0.3))]
    _, ax = figures.new()
    curves.draw_line(ax, Data(rows, {}), "eps_1", "q_star", select={}, color="k")
    assert ax.lines[0].get_xdata().tolist() == [0.3, 0.25, 0.4]  # free descent turns back: not a function of q_star
