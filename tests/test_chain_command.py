"""statmech-cl chain: output in every form, sweeps, files, and bad input answered by one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from statmech_cl import Chain, Task, cli, solve


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(["chain", *arguments])
    caught = capsys.readouterr()
    return status, caught.out, caught.err


def test_json_is_what_python_says(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--alpha 2 --alpha 1 --beta 20 --overlap 0.0 --gamma 1 --anchor kl --prior none --json"
    status, out, _ = run(capsys, *options.split())
    printed = json.loads(out)
    expected = solve(Chain((Task(alpha=2.0), Task(alpha=1.0)), overlaps=0.0))
    assert status == 0
    assert printed["eps_g"] == expected.eps_g.tolist() and printed["p"] == expected.p.tolist()
    assert abs(printed["eps_g"][1][0] - 0.150452) < 1e-6
    assert {"q", "r", "q_star", "q_hat", "p", "eps_g", "residual", "quadrature_error", "status"} <= set(
        printed["tasks"][1]
    )
    assert [task["alpha"] for task in printed["tasks"]] == [2.0, 1.0]


def test_once_a_task_after_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--alpha 0.5 --alpha 0.4 --alpha 0.3 --gamma 0.5 --gamma 0.2 --overlap 0.1 --overlap -0.2 --memory 0.9"
    _, out, _ = run(capsys, *options.split(), "--anchor", "kl", "--anchor", "none", "--prior", "kl", "--json")
    tasks = (
        Task(alpha=0.5, prior="kl"),
        Task(alpha=0.4, gamma=0.5, memory=0.9, prior="kl"),
        Task(alpha=0.3, gamma=0.2, anchor="none", memory=0.9, prior="kl"),
    )
    assert json.loads(out)["p"] == solve(Chain(tasks, overlaps=(0.1, -0.2))).p.tolist()


def test_a_range_sweeps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "chain.csv"
    assert run(capsys, *["--alpha", "0.5", "--alpha", "0.2:0.4:0.1", "--gamma", "0.3", "-o"], str(file))[0] == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["alpha_2"] for row in rows[::4]] == ["0.2", "0.3", "0.4"]
    assert [(row["after_task"], row["on_task"]) for row in rows[:4]] == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]
    expected = solve(Chain((Task(alpha=0.5), Task(alpha=0.3, gamma=0.3))))
    assert float(rows[7]["eps_g"]) == expected.eps_g[1, 1]
    _, out, _ = run(capsys, *["--alpha", "0.5", "--alpha", "0.4", "--gamma", "0.1,0.2", "--json"])
    assert [point["gamma"] for point in json.loads(out)] == [0.1, 0.2]
    _, out, _ = run(capsys, *["--alpha", "0.5", "--alpha", "0.4", "--gamma", "0.1,0.2"])
    assert out.startswith("gamma = 0.1\n") and "on task 2" in out


def test_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "chain.toml"
    file.write_text('[law]\n"+" = 0.7\n"-" = 0.3\n[[tasks]]\nalpha = 0.5\n[[tasks]]\nalpha = 0.3\nanchor = "none"\n')
    status, out, _ = run(capsys, "--file", str(file), "--json")
    expected = solve(Chain((Task(alpha=0.5), Task(alpha=0.3, anchor="none")), law={(1,): 0.7, (-1,): 0.3}))
    assert status == 0 and json.loads(out)["p"] == expected.p.tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "alpha must be given once for each task, or the chain in a --file"),
        ("--alpha 2 --alpha 1 --overlap 1.5", "overlap must be a finite number in [-1, 1], got 1.5"),
        ("--alpha 2 --alpha 1 --gamma -1", "gamma must be a finite number in [0, inf), got -1.0"),
        ("--alpha 2 --alpha 1 --memory 2", "memory must be a finite number in [0, 1], got 2.0"),
        ("--alpha 2 --alpha 1 --gamma 1 --gamma 1 --gamma 1", "gamma must be given once or 1 times for 2 tasks, got 3"),
        (
            "--alpha 2 --alpha 1 --anchor ewv",
            "anchor must be one of none, kl, ewc, l2, got 'ewv' (did you mean 'ewc'?)",
        ),
        (
            "--alpha 2 --alpha 1,2 --gamma 1,2",
            "a range in one argument sweeps it, got ranges in alpha_2 and gamma",
        ),
        ("--alpha 2 --alpha 1 --anchor none --gamma 1", "gamma must not be given where the anchor is none, got 1"),
        (
            "--alpha 2 --alpha 1 --anchor none --memory 0.5,0.7",
            "memory must not be given where the anchor is none, got 0.5, 0.7",
        ),
        ("--file nowhere.toml", "nowhere.toml cannot be read: No such file or directory"),
        ("--file x --alpha 1", "--file holds the whole chain; give it or --alpha, not both"),
    ],
)
def test_refuses(capsys: pytest.CaptureFixture[str], arguments: str, says: str) -> None:
    assert run(capsys, *arguments.split()) == (2, "", f"statmech-cl: error: {says}\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tasks = 1", "tasks must be a list of tables [[tasks]], got 1"),
        (
            "task = 1",
            "name must be one of tasks, overlaps, law, hidden_layers, activation, got 'task' (did you mean 'tasks'?)",
        ),
        ("[[tasks]]\nbeta = 1", "task 1 must have an alpha"),
        ("[[tasks]]\nalpa = 1", "name in task 1 must be one of alpha,"),
        ("[[tasks]]\nalpha = -1", "chain.toml: task 1: alpha must be a finite number in [0, inf), got -1.0"),
        (
            "overlaps = [2.0]\n[[tasks]]\nalpha = 1\n[[tasks]]\nalpha = 1",
            "chain.toml: overlaps must be a finite number in [-1, 1]",
        ),
        ('[law]\n"x" = 1\n[[tasks]]\nalpha = 1', "law must be a table of sign patterns"),
        ('[law]\n"+" = 1.5\n"-" = -0.5\n[[tasks]]\nalpha = 1\n[[tasks]]\nalpha = 1', "in [0, 1], got"),
        ("tasks =", "is not a TOML file"),
    ],
)
def test_refuses_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "chain.toml"
    file.write_text(text)
    status, out, err = run(capsys, "--file", str(file))
    assert (status, out) == (2, "") and says in err and err.count("\n") == 1
