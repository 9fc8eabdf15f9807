"""statmech-cl map and optimise: what Python says in every form, and bad input answered by one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from statmech_cl import Chain, Task, cli, optimise, similarity_map
from statmech_cl.protocols import optimal

MAP = "map --alpha 2 --gamma 0.5 --x overlap=0:0.6 --y alpha_2=0.5:1 --points 2"
BEST = "optimise --alpha 2 --alpha 1 --overlap 0.3 --objective worst --starts 1"


def run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    status = cli.main(words.split())
    caught = capsys.readouterr()
    return status, caught.out, caught.err


def test_a_map_in_every_form(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "map.png"
    chain = Chain((Task(alpha=2.0), Task(alpha=1.0, gamma=0.5)))
    expected = similarity_map(chain, xs=[0.0, 0.6], ys=[0.5, 1.0])
    status, out, err = run(capsys, f"{MAP} --json --plot {picture}")
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(expected.to_dict()))
    assert json.loads(out)["transfer"] == pytest.approx(expected.transfer)
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(run(capsys, f"{MAP} --csv")[1])))
    assert [(row["overlap"], row["alpha_2"]) for row in rows] == [
        ("0.0", "0.5"), ("0.6", "0.5"), ("0.0", "1.0"), ("0.6", "1.0")
    ]  # fmt: skip
    assert [float(row["forgetting"]) for row in rows] == pytest.approx(expected.forgetting.ravel(), abs=1e-12)
    table = run(capsys, MAP)[1].splitlines()
    assert table[0].startswith("4 of 4 points certified")
    j, i = np.unravel_index(expected.transfer.argmax(), (2, 2))
    told = (
        f"transfer: largest {expected.transfer[j, i]:.6g} at overlap = {expected.xs[i]:g}, alpha_2 = {expected.ys[j]:g}"
    )
    assert told in table
    assert sum(line.startswith("transfer vanishes at") for line in table) == len(expected.lines)


def test_an_optimum_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    chain = Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.3)
    expected = optimise(chain, objective="worst", n_starts=1)
    status, out, err = run(capsys, f"{BEST} --json")
    printed = json.loads(out)
    assert (status, err) == (0, "")
    assert printed["values"] == {"gamma": [expected.values["gamma"][0]]}
    assert printed["objective"] == expected.objective and printed["thermodynamic"] == [True, True]
    assert printed["chain"]["tasks"][1]["gamma"] == expected.values["gamma"][0]
    (row,) = csv.DictReader(io.StringIO(run(capsys, f"{BEST} --csv")[1]))
    assert (row["task"], float(row["gamma"])) == ("2", expected.values["gamma"][0])
    assert row["converged"] == "True" and printed["converged"] is True
    table = run(capsys, BEST)[1]
    assert "converged" in table.splitlines()[0] and "objective 0.29450677" in table and "no other branch wins" in table


def test_words_reach_the_optimum(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--alpha 0.5 --alpha 1 --overlap 0.3 --over gamma --over replay --bounds gamma=0.05:0.5 --bounds replay=0:0.2"
    )
    status, out, _ = run(capsys, f"optimise {words} --objective 0.9,0.1 --starts 1 --json")
    values = json.loads(out)["values"]
    assert status == 0 and values == {"gamma": [pytest.approx(0.5)], "replay_1": [pytest.approx(0.2)]}


def test_replay_of_one_task_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    three = "--alpha 0.5 --alpha 0.5 --alpha 0.5 --overlap 0.3 --gamma 0.3"
    words = f"{three} --replay none --replay 1=0.1 --over replay-2 --bounds replay_2=0:0.2 --objective 0,1,0 --starts 1"
    status, out, _ = run(capsys, f"optimise {words} --json")
    told = json.loads(out)
    assert status == 0 and told["values"] == {"replay_2": [0.0, pytest.approx(0.2)]}
    assert told["chain"]["tasks"][2]["replay"] == {"1": 0.1, "2": pytest.approx(0.2)}


def test_a_search_that_ends_early_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimal, "_MOST_ITERATIONS", 1)
    status, out, err = run(capsys, "optimise --alpha 2 --alpha 1 --overlap 0.3 --objective 0.3,0.7 --starts 1 --json")
    assert status == 1 and json.loads(out)["converged"] is False
    assert err.startswith("statmech-cl: not converged, gradient ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "map --alpha 2 --alpha 1",
            "alpha must be given once, for task 1, where alpha_2 is on an axis, got it 2 times",
        ),
        ("map --alpha 2 --y gamma=0.1:1", "alpha must be given twice, once a task, got it 1 times"),
        ("map --alpha 2 --overlap 0.3", "overlap must not be given where it is on an axis, got 0.3"),
        ("map --alpha 2 --x beta=1:2", "x must be one of overlap, alpha_2, gamma, got 'beta'"),
        ("map --alpha 2 --x overlap=0:2", "x must be a finite number in [-1, 1], got 2.0"),
        ("map --alpha 2 --x overlap", "x must be a parameter and its span such as alpha=0.2:3, got 'overlap'"),
        ("map --alpha 2 --y alpha_2=1:0.5", "y must have low < high, got 1:0.5"),
        ("map --alpha 1:2:1", "alpha must be one number here, got 2"),
        ("map --alpha 2 --points 1", "points must be a whole number >= 2, got 1"),
        ("map --alpha 2 --plot map.doc", "plot must end in .pdf, .png or .svg, got 'map.doc'"),
        ("optimise --alpha 2", "chain must be a Chain of two tasks or more, got one task\n"),
        ("optimise --alpha 2 --alpha 1 --gamma 1", "gamma must not be given where it is chosen (--over gamma)"),
        ("optimise --alpha 2 --alpha 1 --objective best", "objective must be mean, worst or weights such as 0.3,0.7"),
        ("optimise --alpha 2 --alpha 1 --objective 1", "objective must hold 2 weights, not all 0, got (1.0,)"),
        ("optimise --alpha 2 --alpha 1 --over gama", "over must be one of gamma, memory, replay, got 'gama'"),
        (
            "optimise --alpha 2 --alpha 1 --over replay_2",
            "over must name the replay of a task from 1 to 1",
        ),
        (
            "optimise --alpha 2 --alpha 1 --over replay --replay 1=1",
            "replay must not be given where it is chosen (--over",
        ),
        (
            "optimise --alpha 2 --alpha 1 --over replay_1 --replay 1=1",
            "replay must not be given where it is chosen (--over",
        ),
        ("optimise --alpha 2 --alpha 1 --bounds memory=0:1", "bounds must be one of gamma, got 'memory'"),
        ("optimise --alpha 2 --alpha 1 --starts 5", "starts must be a whole number from 1 to 4, got 5"),
    ],
)
def test_bad_input_is_one_line(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, words)
    assert (status, out) == (2, "")
    assert line in err and err.count("\n") == 1
