"""statmech-cl curves: output in every form, the options that reach the theory, and bad input answered by one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from statmech_cl import Chain, DescentSettings, Task, cli, learn

FEW = ("--epochs", "6", "--samples", "512")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["curves", *arguments])
    caught = capsys.readouterr()
    return status, caught.out, caught.err


def test_json_is_what_python_says(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "curve.png"
    given = "--alpha 0.8 --alpha 0.5 --overlap 0.5 --gamma 0.3 --anchor ewc --memory 0.9 --prior kl --seed 3 --json"
    settings = "--learning-rate 0.05 --momentum 0.5 --warmup 3 --weight-decay 0.1 --start-spread 0.5 --replicas 2"
    status, out, err = run(capsys, *given.split(), *settings.split(), *FEW, "--plot", str(picture))
    printed = json.loads(out)
    chain = Chain(
        (Task(alpha=0.8, prior="kl"), Task(alpha=0.5, gamma=0.3, anchor="ewc", memory=0.9, prior="kl")), overlaps=0.5
    )
    expected = learn(
        chain,
        DescentSettings(
            batch=None,
            epochs=6,
            learning_rate=0.05,
            momentum=0.5,
            warmup=3,
            weight_decay=0.1,
            start_spread=0.5,
            replicas=2,
        ),
        samples=512,
        seed=3,
    )
    assert (status, err) == (0, "")
    assert printed == json.loads(json.dumps(expected.to_dict()))
    assert printed["method"] == "fast" and set(printed["bias"]) == {"samples", "tolerance"}
    for stage in printed["stages"]:
        assert {"epochs", "q_star", "r", "p", "eps_g", "eps_g_error", "q"} <= set(stage)
        assert [len(stage[name]) for name in ("epochs", "q_star", "r", "eps_g_error")] == [7, 7, 2, 2]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_csv_has_a_row_for_each_epoch_and_the_table_says_what_it_rests_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = run(capsys, "--alpha", "0.8", "--alpha", "0.5", "--csv", "--no-bias", *FEW)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["task"], row["epoch"]) for row in rows[5:9]] == [("1", "5"), ("1", "6"), ("2", "0"), ("2", "1")]
    assert rows[6]["eps_g_1"] == rows[7]["eps_g_1"] and float(rows[7]["q_star_error"]) > 0.0
    _, out, _ = run(capsys, "--alpha", "0.8", "--alpha", "0.5", "--no-bias", *FEW)
    assert "eps_2" in out and out.endswith("fast method, 8 batches of 512 samples, seed 0\n")


def test_groups_and_the_exact_method_reach_the_theory(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--alpha", "1", "--epochs", "4", "--samples", "512", "--no-bias", "--json")
    whole, cut, exact = (
        json.loads(run(capsys, *options, *more)[1]) for more in ((), ("--batch", "3"), ("--method", "exact"))
    )
    assert (whole["groups"], cut["groups"]) == (1, 3) and exact["method"] == "exact"
    assert cut["stages"][0]["q_star"][-1] != whole["stages"][0]["q_star"][-1] != exact["stages"][0]["q_star"][-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "alpha must be given, once for each task"),
        ("--alpha 0.5,1", "alpha must be one number for each task, got 0.5, 1.0"),
        (
            "--alpha 0.5 --gamma 1",
            "gamma must not be given with one task, as it ties a later one; give --alpha once for each task",
        ),
        ("--alpha 1 --alpha 1 --overlap 2", "overlap must be a finite number in [-1, 1], got 2.0"),
        ("--alpha 0.5 --batch 0", "batch must be 'full' or a whole number of groups >= 1, got '0'"),
        ("--alpha 0.5 --batch ful", "batch must be 'full' or a whole number of groups >= 1, got 'ful'"),
        ("--alpha 0.5 --samples 1000", "samples must be a power of two, got 1000"),
        ("--alpha 0.5 --method exat", "method must be one of fast, exact, got 'exat' (did you mean 'exact'?)"),
        (
            "--alpha 0.5 --method exact --tolerance 0.001",
            "tolerance must be left out with the exact method, which has none, got 0.001",
        ),
        ("--alpha 0.5 --momentum 1", "momentum must be a finite number in [0, 1), got 1.0"),
        ("--alpha 0.5 --replicas 3", "replicas must be 1 or 2, got 3"),
        ("--alpha 0.5 --plot curve.jpg", "plot must end in .pdf, .png or .svg, got 'curve.jpg'"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], arguments: str, says: str) -> None:
    assert run(capsys, *arguments.split()) == (2, "", f"statmech-cl: error: {says}\n")


def test_a_runaway_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--alpha 1 --learning-rate 5 --epochs 60 --samples 512 --no-bias"
    status, out, err = run(capsys, *arguments.split())
    assert (status, out) == (1, "") and err.count("\n") == 1 and "smaller learning rate" in err
