"""What the commands print and write: tables that fit, files as their suffix says, and nothing lost when a run ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from statmech_cl import cli
from statmech_cl.commands import results
from statmech_cl.estimate import Estimate
from statmech_cl.output import fitted_table, parted_table, to_table
from statmech_cl.paper_repro.figure import Row, Verdict


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(arguments)
    caught = capsys.readouterr()
    return status, caught.out, caught.err


# Tables


def test_small_numbers_keep_their_digits() -> None:
    row = {"eps_g": 1.941234567891e-09, "residual": 1.941234567891e-13, "alpha": 0.5}
    assert to_table([row]).splitlines()[2].split() == ["1.941234568e-09", "1.9e-13", "0.5"]


def test_a_table_that_is_too_wide_leaves_out_spare_columns_and_says_which() -> None:
    row = dict.fromkeys(("first_of_many_long_names", "second", "third_of_many_long_names", "fourth"), 1.0 / 3.0)
    row |= {f"{name}_again": 1.0 for name in ("fifth_of_many_long_names", "sixth_of_many_long_names")}
    text = fitted_table([row], list(row), ("fourth", "second", "third_of_many_long_names"))
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text.endswith("left out: second, third_of_many_long_names, fourth; --all shows all")
    assert fitted_table([{"alpha": 1.0}], ["alpha"], ["alpha"]) == to_table([{"alpha": 1.0}])


@pytest.mark.parametrize(
    "arguments",
    [
        "solve --alpha 1.7 --branch all",
        "solve --alpha 0.5,2.5",
        "solve --alpha 1.25 --rsb 1",
        "branches --alpha 1.85:1.95",
        "chain --alpha 2 --alpha 1 --alpha 0.5",
        "simulate --alpha 0.5 --n 40 --seeds 2 --epochs 3",
    ],
)
def test_tables_fit_on_a_terminal(capsys: pytest.CaptureFixture[str], arguments: str) -> None:
    status, out, _ = run(capsys, *arguments.split())
    assert status == 0 and max(len(line) for line in out.splitlines()) <= 100
    everything = run(capsys, *arguments.split(), "--all")[1]
    assert "left out" not in everything
    if arguments.startswith(("solve", "chain")):
        assert ("coexisting" in out and "thermodynamic" in out) or "--rsb" in arguments


def test_all_is_for_tables(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "solve", "--alpha", "0.5", "--all", "--json")
    assert (status, out) == (2, "") and "all must be given with a table only, got it with json" in err


def test_metastable_and_thermodynamic_stand_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "solve", "--alpha", "1.6")[1].splitlines()
    row = dict(zip(lines[0].split(), lines[2].split(), strict=True))
    assert (row["coexisting"], row["thermodynamic"]) == ("2", "no")


def test_folds_come_before_the_points(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "branches", "--alpha", "1.85:1.95")[1].splitlines()
    assert lines[0].startswith("fold at alpha = 1.905802528")
    assert any(line.startswith("alpha ") for line in lines[1:])


def test_a_table_of_many_columns_is_parted_and_keeps_them_all() -> None:
    rows = [{"task": str(t), "epoch": 10, **{f"eps_{k}": 1.0 / 3.0 + k for k in range(20)}} for t in (1, 2)]
    table = parted_table(rows, 2)
    assert max(len(line) for line in table.splitlines()) <= 100
    heads = [part.splitlines()[0].split() for part in table.split("\n\n")]
    assert len(heads) > 1 and all(head[:2] == ["task", "epoch"] for head in heads)
    assert [name for head in heads for name in head[2:]] == [f"eps_{k}" for k in range(20)]
    assert parted_table(rows[:1], 30) == to_table(rows[:1], digits=6)


def test_long_words_of_a_verdict_go_on_below() -> None:
    what = "rank correlation of forgetting with relative_beta, methods without 1 - Phi in the loss"
    table = Verdict(
        [Row(what, 0.5, Estimate(0.4, 0.01, 9), "a note that says a good deal more than fits")], "", True
    ).table()
    assert max(len(line) for line in table.splitlines()) <= 100
    assert set(what.split()) <= set(table.split())


def test_the_list_of_figures_is_at_most_100_columns_wide(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "--list"]) == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


# Files


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("solve --alpha 0.5 -o x.dat", "output must end in one of .json, .csv, .txt, .parquet, .xlsx, got 'x.dat'"),
        ("solve --alpha 0.5 -o x", "output must end in one of .json, .csv, .txt, .parquet, .xlsx, got 'x'"),
        ("solve --alpha 0.5 --json --csv", "--json and --csv exclude each other; give one of them"),
        ("chain --alpha 0.5 --csv --json", "--json and --csv exclude each other; give one of them"),
        ("solve --alpha 0.5 --json -o x.csv", "output must end in .json with --json, got 'x.csv'"),
        ("chain --alpha 0.5 --csv -o x.txt", "output must end in .csv with --csv, got 'x.txt'"),
        ("sweep grid.toml -o x.pdf", "output must end in one of .json, .csv, .txt, .parquet, .xlsx, got 'x.pdf'"),
    ],
)
def test_a_suffix_means_what_it_says(capsys: pytest.CaptureFixture[str], arguments: str, says: str) -> None:
    assert run(capsys, *arguments.split()) == (2, "", f"statmech-cl: error: {says}\n")


@pytest.mark.parametrize(("suffix", "engine"), [("parquet", "pyarrow"), ("xlsx", "openpyxl")])
def test_tables_for_other_programs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str, engine: str
) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip(engine)
    file = tmp_path / f"x.{suffix}"
    assert run(capsys, "solve", "--alpha", "0.5,0.6", "-o", str(file))[0] == 0
    table = getattr(pandas, {"parquet": "read_parquet", "xlsx": "read_excel"}[suffix])(file)
    expected = pandas.read_csv(io.StringIO(run(capsys, "solve", "--alpha", "0.5,0.6", "--csv")[1]))
    assert list(table) == list(expected)
    assert table["eps_g"].tolist() == pytest.approx(expected["eps_g"].tolist(), rel=1e-15)


def test_a_missing_engine_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results.importlib.util, "find_spec", lambda name: None)
    status, out, err = run(capsys, "solve", "--alpha", "0.5", "-o", str(tmp_path / "x.parquet"))
    assert (status, out) == (2, "")
    said = ".parquet files need pandas and pyarrow; install with: pip install 'statmech-cl[tables]'"
    assert err == f"statmech-cl: error: {said}\n"


# Nothing lost


def interrupted(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with Ctrl-C in the third solve."""
    program = """
        import os, signal, sys
        import statmech_cl
        from statmech_cl import cli

        true, calls = statmech_cl.solve, []
        def solve(*given, **options):
            calls.append(given)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return true(*given, **options)
        statmech_cl.solve = solve
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
        sys.exit(cli.main(sys.argv[1:]))
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(program))
    command = [sys.executable, "script.py", *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    "arguments",
    ["solve --alpha 0.5:0.9:0.1 --json", "chain --alpha 0.5 --alpha 0.5:0.9:0.1 --json"],
)
def test_ctrl_c_prints_and_keeps_what_is_finished(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: str
) -> None:
    cut = interrupted(tmp_path, *arguments.split(), "--store", "s.sqlite")
    assert cut.returncode == 130 and cut.stderr == "statmech-cl: error: interrupted after 2 of 5 points\n"
    whole = json.loads(run(capsys, *arguments.split())[1])
    assert json.loads(cut.stdout) == whole[:2]
    # Two more are solved before the third call is interrupted: the first two come from the store.
    again = interrupted(tmp_path, *arguments.split(), "--store", "s.sqlite")
    assert again.stderr == "statmech-cl: error: interrupted after 4 of 5 points\n"
    assert json.loads(again.stdout) == whole[:4]


def test_a_killed_parent_leaves_no_workers(tmp_path: Path) -> None:
    program = """
        import os, signal, time
        from pathlib import Path
        from statmech_cl import Task, sweep as module
        from statmech_cl.sweep import sweep

        def compute(point):
            Path(f"{os.getpid()}.pid").touch()
            time.sleep(120)
        module.compute_row = compute  # in the workers too: they import this script

        if __name__ == "__main__":
            sweep(Task(alpha=1.0), {"alpha": [0.5, 0.75]})
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(program))
    parent = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path)
    try:
        assert _within(60.0, lambda: any(tmp_path.glob("*.pid")))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    workers = [int(file.stem) for file in tmp_path.glob("*.pid")]
    assert _within(20.0, lambda: not any(_lives(worker) for worker in workers))


def _within(seconds: float, holds: object) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat")
        return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
