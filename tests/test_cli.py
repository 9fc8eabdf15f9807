"""The command line: good input, and bad input answered by one line and exit status 2."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import statmech_cl
from statmech_cl import cli
from statmech_cl.commands.options import parse_numbers
from statmech_cl.validation import LARGEST


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(arguments)
    caught = capsys.readouterr()
    return status, caught.out, caught.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """The one line that refuses these arguments."""
    code, out, err = run(capsys, *arguments)
    assert code == status
    assert out == ""
    assert err.startswith("statmech-cl: error: ") and err.count("\n") == 1 and err.endswith("\n")
    return err.removeprefix("statmech-cl: error: ").rstrip("\n")


# Ranges


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0.5", [0.5]),
        ("0.5,1,2", [0.5, 1.0, 2.0]),
        ("0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("0:1:0.4", [0.0, 0.4, 0.8]),
        ("2:2:1", [2.0]),
        ("1e-3:3e-3:1e-3", [0.001, 0.002, 0.003]),
        (" 1 , 2 ", [1.0, 2.0]),
    ],
)
def test_numbers(text: str, numbers: list[float]) -> None:
    assert parse_numbers("alpha", text) == numbers


@given(st.integers(0, 500), st.integers(1, 50), st.integers(0, 60))
def test_ranges_have_no_float_drift(start: int, step: int, count: int) -> None:
    stop = start + step * count
    numbers = parse_numbers("alpha", f"{start / 100:.2f}:{stop / 100:.2f}:{step / 100:.2f}")
    assert numbers == [float(f"{(start + step * k) / 100:.2f}") for k in range(count + 1)]


@pytest.mark.parametrize("text", ["", "a", "1,", "1:2", "1:2:3:4", "1::2", "0x10", "1 2", "1;2"])
def test_not_numbers(text: str) -> None:
    with pytest.raises(ValueError, match=r"alpha must be a number, a list a,b,c or a range start:stop:step, got "):
        parse_numbers("alpha", text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2:1:0.1", "alpha must have start <= stop in its range, got '2:1:0.1'"),
        ("1:2:0", "alpha must have a step > 0 in its range, got '1:2:0'"),
        ("1:2:-1", "alpha must have a step > 0 in its range, got '1:2:-1'"),
        ("0:1:1e-9", "alpha must have at most 100000 points in its range, got '0:1:1e-9'"),
        ("0:inf:1", "a range must be finite"),
        ("nan:1:1", "a range must be finite"),
    ],
)
def test_bad_ranges(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_numbers("alpha", text)


# Bad input

HUGE = 10**22


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("solve", "Missing option '--alpha'."),
        ("solve --alpha -1", "alpha must be a finite number in [0, inf), got -1.0"),
        ("solve --alpha nan", "alpha must be a finite number in [0, inf), got nan"),
        ("solve --alpha inf", "alpha must be a finite number in [0, inf), got inf"),
        ("solve --alpha 0.5,-1", "alpha must be a finite number in [0, inf), got -1.0"),
        ("solve --alpha 2:1:0.5", "alpha must have start <= stop in its range, got '2:1:0.5'"),
        ("solve --alpha 0.5 --beta 0", "beta must be a finite number in (0, inf), got 0.0"),
        ("solve --alpha 0.5 --beta -3", "beta must be a finite number in (0, inf), got -3.0"),
        ("solve --alpha 0.5 --beta inf", "beta must be a finite number in (0, inf), got inf"),
        ("solve --alpha 0.5 --beta x", "beta must be a finite number in (0, inf), got 'x'"),
        ("solve --alpha 0.5 --alpha 1", "alpha must be given once, got it 2 times"),
        ("solve --alpha=0.5 -o a.csv --output b.csv", "output must be given once, got it 2 times"),
        ("solve --alpha 0.5 --prior kll", "prior must be one of none, kl, got 'kll' (did you mean 'kl'?)"),
        ("solve --alpha 0.5 --branch hihg", "(did you mean 'high'?)"),
        ("solve --alpha 0.5 --q-star 1", "q_star must be a finite number in (0, 1), got 1.0"),
        ("solve --alpha 0.5 extra", "Got unexpected extra argument (extra)"),
        ("solve --alhpa 0.5", "--alpha"),
        ("sovle", "(did you mean 'solve'?)"),
        ("--versoin", "--version"),
        ("solve --alpha 0.5 --beta 1e-320", "beta must be a finite number in [1e-05, 100000], got 1e-320"),
        ("solve --alpha 0.5 --beta 1e308", "beta must be a finite number in [1e-05, 100000], got 1e+308"),
        ("solve --alpha 0.5 --q-star 1e-12", "q_star must be a finite number in [0.0001, 0.999999], got 1e-12"),
        (
            f"solve --alpha 0.5 --hidden-layers {HUGE}",
            f"hidden_layers must be a whole number from 0 to 100, got {HUGE}",
        ),
        (f"solve --alpha 0.5 --rsb {HUGE}", f"rsb must be a whole number from 0 to {LARGEST}, got {HUGE}"),
        ("solve --alpha 0.5 --rsb 101", "rsb must be a whole number from 0 to 100, got 101"),
        ("branches --plot /", "plot must be a file, got '/', which is a folder"),
        ("branches --plot x.foo", "plot must end in .pdf, .png or .svg, got 'x.foo'"),
        ("curves --alpha 1 --plot no/x.png", "plot must be in a folder that exists, got 'no/x.png'"),
        (f"phase-diagram --rows {HUGE}", f"rows must be a whole number from 2 to 1000, got {HUGE}"),
        (
            "simulate --alpha 1e308",
            "n must be small enough for the memory of cpu, got 500: with alpha = 1e+308, replay included, and 8 seeds",
        ),
        ("simulate --alpha 1 --learning-rate 1e308", "learning_rate must be a finite number in (0, 1e+06], got 1e+308"),
        ("simulate --alpha 1 --weight-decay 1e308", "weight_decay must be a finite number in [0, 1e+06], got 1e+308"),
        ("simulate --alpha 1 --with x", "with must be one of descent, gibbs, got 'x'"),
        (f"benchmark split-mnist --methods vcl --seed {HUGE}", f"seed must be a whole number from 0 to {LARGEST}"),
        ("benchmark split-mnist --methods vcl --widths 1000000", "widths must be a whole number from 1 to 100000"),
        ("benchmark permuted-mnist --methods vcl --tasks 10001", "tasks must be a whole number from 1 to 10000"),
        ("simulate --alpha 0.5 --n 0", "n must be a whole number >= 2, got 0"),
        ("simulate --alpha 0.5 --n -5", "n must be a whole number >= 2, got -5"),
        ("simulate --alpha 0.5 --n 10.5", "n must be a whole number >= 2, got '10.5'"),
        ("simulate --alpha 0.5 --seeds 0", "seeds must be a whole number >= 2, got 0"),
        ("simulate --alpha 0.5 --seeds -1", "seeds must be a whole number >= 2, got -1"),
        ("simulate --alpha 0.5 --seed -1", "seed must be a whole number >= 0, got -1"),
        ("simulate --alpha 0.5 --epochs 0", "epochs must be a whole number >= 1, got 0"),
        ("simulate --alpha 0.5 --with descend", "(did you mean 'descent'?)"),
        ("simulate --alpha 0.5 --learning-rate 0", "learning_rate must be a finite number in (0, inf), got 0.0"),
        ("simulate --alpha 0.5 --device gpu", "device must be one of cpu, cuda, got 'gpu'"),
        ("compare --alpha 0.5 --n 0", "n must be a whole number >= 2, got 0"),
        ("compare --alpha nan", "alpha must be a finite number in [0, inf), got nan"),
        ("reproduce", "give a figure, or --list to see them"),
        ("reproduce fig2bb", "(did you mean 'fig2b'?)"),
        ("reproduce fig2b --scale big", "scale must be one of quick, paper, got 'big'"),
        ("reproduce fig2b --seed -2", "seed must be a whole number >= 0, got -2"),
    ],
)
def test_bad_input(capsys: pytest.CaptureFixture[str], arguments: str, says: str) -> None:
    assert says in refused(capsys, *arguments.split())


def test_python_refuses_with_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError) as caught:
        statmech_cl.Task(alpha=-1.0)
    assert refused(capsys, "solve", "--alpha", "-1") == str(caught.value)


@pytest.mark.parametrize("command", ["solve", "simulate"])
def test_unwritable_output_is_refused_before_the_computation(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    # 10^5 alphas would take minutes: a refusal within seconds came before.
    alphas = ("--alpha", "0.00001:1:0.00001")
    started = time.monotonic()
    text = refused(capsys, command, *alphas, "-o", str(tmp_path / "no" / "out.json"))
    assert text == f"output must be in a folder that exists, got {str(tmp_path / 'no' / 'out.json')!r}"
    assert "output must be a file, got" in refused(capsys, command, *alphas, "-o", str(tmp_path))
    assert time.monotonic() - started < 10.0


@pytest.mark.parametrize("arguments", ["reproduce fig2b", "compare --alpha 0.5"])
def test_unwritable_folder_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: str) -> None:
    (tmp_path / "file").write_text("")
    text = refused(capsys, *arguments.split(), "--out", str(tmp_path / "file"))
    assert text == f"output {tmp_path / 'file'} is a file; give a folder"
    assert "cannot be made" in refused(capsys, *arguments.split(), "--out", str(tmp_path / "file" / "deeper"))


def test_a_broken_store_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("this is no database")
    text = refused(capsys, "simulate", "--alpha", "0.5", "--n", "20", "--store", str(tmp_path / "s.sqlite"))
    assert text.endswith("s.sqlite: file is not a database; move it away and run again")


# Help and version


def test_help_of_every_command_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.COMMANDS:
        status, out, err = run(capsys, name, "--help")
        assert (status, err) == (0, "")
        assert "Example:" in out and f"statmech-cl {name} " in out


def test_help_lists_the_commands_without_importing_them(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        status, out, _ = run(capsys, *arguments)
        assert status == 0
        assert all(f"  {name} " in out for name in cli.COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"statmech-cl {statmech_cl.__version__}\n", "")


def test_module_and_entry_point_agree() -> None:
    script = Path(sys.executable).with_name("statmech-cl")
    for command in ([sys.executable, "-m", "statmech_cl"], [str(script)]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"statmech-cl {statmech_cl.__version__}\n"


def test_shell_completion() -> None:
    environment = {**os.environ, "_STATMECH_CL_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
    for words, wanted in (("statmech-cl reproduce fig2", "fig2b"), ("statmech-cl solve --be", "--beta")):
        environment["COMP_WORDS"] = words
        done = subprocess.run(
            [sys.executable, "-m", "statmech_cl"], env=environment, capture_output=True, text=True, check=True
        )
        assert wanted in done.stdout


# reproduce --list


def test_list_shows_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "reproduce", "--list")
    assert status == 0
    papers = "fig1a fig1b fig1c fig2a fig2b fig2c fig2d fig3a fig3b fig3c fig3d figA1a figA1b figA1c figA1d"
    for figure in [*papers.split(), "deep-a", "deep-b", "deep-c"]:
        assert re.search(rf"^{figure} ", out, re.M)


# simulate


def test_simulate_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", "--alpha", "0.5", "--n", "40", "--seeds", "3", "--seed", "7", "--epochs", "5", "--json"]
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    row = json.loads(out)
    assert row["alpha"] == 0.5 and row["n"] == 40 and row["seeds"] == [7, 8, 9] and row["epochs"] == 5
    assert row["version"] == statmech_cl.__version__
    for name in ("q", "r", "q_star", "p", "eps_g", "eps_test", "loss"):
        assert len(row[f"{name}_seeds"]) == 3 and row[f"{name}_error"] >= 0.0
    assert run(capsys, *arguments)[1] == out


def test_simulate_csv_and_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["simulate", "--alpha", "0.5:1:0.5", "--n", "40", "--seeds", "2", "--epochs", "3"]
    status, out, _ = run(capsys, *arguments, "--csv")
    lines = out.splitlines()
    assert (
        status == 0 and len(lines) == 3 and lines[0].startswith("method,alpha,") and lines[1].startswith("descent,0.5,")
    )
    assert run(capsys, *arguments, "-o", str(tmp_path / "x.csv"))[1] == ""
    assert (tmp_path / "x.csv").read_text() == out
    table = run(capsys, *arguments)[1]
    assert re.search(r"0\.\d+\(\d+\)", table)


def test_simulate_resumes_from_its_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from statmech_cl.simulations.perceptron import problem_rows as measure

    arguments = [
        "simulate",
        "--n",
        "40",
        "--seeds",
        "2",
        "--epochs",
        "3",
        "--json",
        "--store",
        str(tmp_path / "s.sqlite"),
    ]
    one = run(capsys, *arguments, "--alpha", "0.5")[1]
    whole = run(capsys, *arguments, "--alpha", "0.5,1")[1]
    assert json.loads(whole)[0] == json.loads(one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "descend", None)  # nothing may be computed again
        assert run(capsys, *arguments, "--alpha", "0.5,1")[1] == whole


def test_simulate_a_chain(capsys: pytest.CaptureFixture[str]) -> None:
    from statmech_cl.simulations.perceptron.descent import DescentSettings, descend

    words = "--alpha 0.5 --alpha 0.3 --overlap 0.5 --gamma 0.7 --anchor ewc --memory 0.9"
    status, out, _ = run(capsys, *f"simulate {words} --n 40 --seeds 2 --epochs 3 --json".split())
    row = json.loads(out)
    tasks = (statmech_cl.Task(alpha=0.5), statmech_cl.Task(alpha=0.3, gamma=0.7, anchor="ewc", memory=0.9))
    chain = statmech_cl.Chain(tasks, overlaps=0.5)
    told = descend(chain, n=40, seeds=2, settings=DescentSettings(epochs=3, replicas=2))
    for after in (0, 1):
        for on in (0, 1):
            expected = told.values("eps_g", after=after, on=on).tolist()
            assert row[f"eps_g_after_{after + 1}_on_{on + 1}_seeds"] == pytest.approx(expected)
    assert status == 0 and row["alpha"] == [0.5, 0.3] and row["patterns"] == [20, 12]


def test_the_row_says_the_alpha_that_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--n", "50", "--seeds", "2", "--epochs", "2"]
    text = run(capsys, "simulate", "--alpha", "0.03,0.031", *sizes, "--json")[1]
    assert [(row["patterns"], row["alpha_used"]) for row in json.loads(text)] == [(2, 0.04)] * 2
    table = run(capsys, "simulate", "--alpha", "0.03", *sizes)[1]
    assert table.splitlines()[0].split()[:3] == ["alpha", "alpha_used", "patterns"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--alpha 1 --beta 30", "beta must not be given with descent, which has no temperature; it belongs to gibbs"),
        (
            "--alpha 1 --gamma 2",
            "gamma must not be given with one task, as it ties a later one; give --alpha once for each task",
        ),
        ("--alpha 1 --prior kl --prior none", "prior must be given once for one task, got 2"),
        ("--alpha 1 --device cuda", "device must be cpu on this machine (torch finds no CUDA device), got 'cuda'"),
        ("--alpha 1 --n 10000000", "replay included, and 8 seeds the patterns take about 1.3 PB, and there are "),
    ],
)
def test_simulate_refuses_before_it_starts(capsys: pytest.CaptureFixture[str], arguments: str, says: str) -> None:
    if "cuda" in arguments and __import__("torch").cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert says in refused(capsys, "simulate", *arguments.split())


def test_a_sampler_out_of_equilibrium_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "simulate --with gibbs --alpha 1 --n 40 --seeds 2 --warmup 10 --draws 4"
    status, out, err = run(capsys, *arguments.split())
    assert status == 0 and "rhat" in out
    assert "1 of 1 points are not in equilibrium; at alpha = 1.0 walkers disagree (R-hat " in err
    assert "effective samples (at least 100 are wanted)" in err and err.count("\n") == 1


@pytest.mark.filterwarnings("ignore:descent diverged")
def test_where_every_seed_diverges_the_status_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "simulate --alpha 0.5 --n 40 --seeds 2 --epochs 5 --learning-rate 1e6"
    status, out, err = run(capsys, *arguments.split())
    assert status == 1 and "diverged" in out
    assert "every seed diverged at 1 of 1 points, first at alpha = 0.5; lower --learning-rate" in err


def test_ctrl_c_leaves_the_finished_points(tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from statmech_cl import cli
        from statmech_cl.simulations.perceptron import problem_rows as rows
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
        true = rows.descend
        def descend(task, **options):
            if task.alpha > 0.7:
                os.kill(os.getpid(), signal.SIGINT)
            return true(task, **options)
        rows.descend = descend
        sys.exit(cli.main(sys.argv[1:]))
    """
    arguments = ["simulate", "--alpha", "0.5,0.6,1", "--n", "40", "--seeds", "2", "--epochs", "3", "-o", "out.json"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 130
    assert done.stderr == "statmech-cl: error: interrupted after 2 of 3 points\n"
    assert [row["alpha"] for row in json.loads((tmp_path / "out.json").read_text())] == [0.5, 0.6]


def test_a_closed_pipe_is_silent() -> None:
    command = f"{sys.executable} -m statmech_cl reproduce --list | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


# solve

KEYS = [
    "q",
    "r",
    "q_star",
    "q_hat",
    "r_hat",
    "q_star_hat",
    "p",
    "eps_g",
    "free_entropy",
    "replicon",
    "residual",
    "quadrature_error",
    "status",
    "n_steps",
]


def test_solve_json_has_the_python_names(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "solve", "--alpha", "0.5", "--beta", "20", "--json")
    assert (status, err) == (0, "")
    printed = json.loads(out)
    assert set(KEYS) <= set(printed)
    assert printed["q"] == pytest.approx(0.5395258633, abs=1e-9)
    assert printed == statmech_cl.solve(statmech_cl.Task(alpha=0.5, beta=20.0)).to_dict()


def test_solve_several_alphas_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(run(capsys, "solve", "--alpha", "0.1:0.3:0.1", "--json")[1])
    assert [row["alpha"] for row in printed] == [0.1, 0.2, 0.3]


def test_solve_branches(capsys: pytest.CaptureFixture[str]) -> None:
    everything = json.loads(run(capsys, "solve", "--alpha", "1.7", "--branch", "all", "--json")[1])
    low = json.loads(run(capsys, "solve", "--alpha", "1.7", "--branch", "low", "--json")[1])
    high = json.loads(run(capsys, "solve", "--alpha", "1.7", "--branch", "high", "--json")[1])
    assert len(everything) == 3
    assert [everything[0]["q"], everything[2]["q"]] == pytest.approx([low["q"], high["q"]], abs=1e-9)
    assert isinstance(json.loads(run(capsys, "solve", "--alpha", "0.5", "--branch", "all", "--json")[1]), list)


def test_solve_with_prescribed_q_star_and_prior(capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(run(capsys, "solve", "--alpha", "0.5", "--q-star", "0.6", "--json")[1])
    assert printed["q_star"] == pytest.approx(0.6, abs=1e-12)
    prior = json.loads(run(capsys, "solve", "--alpha", "0.5", "--prior", "kl", "--json")[1])
    assert prior["prior"] == "kl" and prior["q_star"] < 0.5


def test_solve_table_csv_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = run(capsys, "solve", "--alpha", "0.5", "--all")
    assert status == 0 and "0.5395258633" in out and "converged" in out
    text = run(capsys, "solve", "--alpha", "0.5,0.6", "--csv")[1]
    assert len(text.splitlines()) == 3 and set(KEYS) <= set(text.splitlines()[0].split(","))
    for name, marker in (("x.csv", "alpha,beta"), ("x.json", "["), ("x.txt", "alpha ")):
        assert run(capsys, "solve", "--alpha", "0.5,0.6", "-o", str(tmp_path / name))[1] == ""
        assert (tmp_path / name).read_text().startswith(marker)
    assert (tmp_path / "x.csv").read_text() == text


def test_one_alpha_that_fails_does_not_lose_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "solve", "--alpha", "1.8,2", "--branch", "low", "--json")
    assert status == 1 and err.startswith("statmech-cl: error: 1 of 2 points failed; alpha=2: branch 'low' ends at")
    first, second = json.loads(out)
    assert first["status"] == "converged" and second["status"] == "failed" and second["alpha"] == 2.0
    assert "branch 'low' ends at alpha" in refused(capsys, "solve", "--alpha", "2", "--branch", "low")


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        status, _, err = run(capsys, "solve", "--alpha", "3.2", "--json")
    assert status == 0
    assert err == "statmech-cl: warning: alpha = 3.2 lies outside the certified range [0, 3]\n"


def test_no_convergence_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise statmech_cl.ConvergenceError("no fixed point", state=(0.0, 0.0, 0.0), residual=1.0)

    monkeypatch.setattr(statmech_cl, "solve", fail, raising=False)
    assert refused(capsys, "solve", "--alpha", "0.5", status=1) == "no fixed point"


# compare


@pytest.mark.parametrize("method", ["descent --epochs 5", "gibbs --draws 4 --warmup 10"])
def test_compare(capsys: pytest.CaptureFixture[str], tmp_path: Path, method: str) -> None:
    arguments = f"compare --alpha 0.25,0.5 --n 30 --seeds 2 --with {method} --out {tmp_path}".split()
    status, out, err = run(capsys, *arguments)
    record = json.loads((tmp_path / "compare.json").read_text())
    holds = record["verdict"]["holds"]
    assert (status, err) == (0 if holds else 1, "")
    assert out.splitlines()[-1].startswith("HOLDS: " if holds else "DOES NOT HOLD: ")
    theory = r"p_1 alpha_1=0\.5 +0\.\d+\(\d+\)" if "descent" in method else r"eps_g alpha=0\.5, sampler +0\.355433"
    assert re.search(rf"^{theory} +-?0\.\d+\(\d+\) +[+-]\d", out, re.M)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"compare.{suffix}" for suffix in ("csv", "json", "pdf", "png")),
        "store.sqlite",
    ]
    assert record["parameters"]["sizes"] == [[15, 4], [30, 2]]
    assert len(record["verdict"]["rows"]) == (8 if "descent" in method else 10)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(capsys, *arguments)[1] == out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_compare_a_chain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = "--alpha 0.4 --alpha 0.3 --overlap 0.5 --with gibbs --draws 40 --warmup 20"
    status, out, _ = run(capsys, *f"compare {words} --n 30 --seeds 2 --out {tmp_path}".split())
    rows = json.loads((tmp_path / "compare.json").read_text())["verdict"]["rows"]
    tasks = (statmech_cl.Task(alpha=0.4), statmech_cl.Task(alpha=0.3))
    told = statmech_cl.solve(statmech_cl.Chain(tasks, overlaps=0.5))
    theory = {row["what"]: row["theory"] for row in rows}
    assert theory["eps_1"] == told.eps_g[1, 0] and theory["p_2"] == told.p[1, 1] and len(rows) == 5
    # forty draws are no equilibrium: nothing is judged, and so nothing holds
    assert status == 1 and not any(row["judged"] for row in rows)
    assert out.splitlines()[-1].startswith(
        "DOES NOT HOLD: p_1, p_2: no point is judged. Not judged: the sampler is not"
    )


def test_compare_outside_the_certified_range_warns_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _, _, err = run(capsys, *f"compare --alpha 3.2 --n 20 --seeds 2 --epochs 2 --out {tmp_path}".split())
    assert err.count("lies outside the certified range") == 1
    rows = csv.DictReader((tmp_path / "compare.csv").read_text().splitlines())
    events = [row for row in rows if row["kind"] == "event"]
    alphas = [round(float(row["alpha"]), 6) for row in events]
    assert len(alphas) == len(set(alphas)) >= 4  # two folds, a transition, the crossings of the replicon: once each


def test_help_tells_the_true_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    from statmech_cl.simulations.perceptron.descent import DescentSettings
    from statmech_cl.simulations.perceptron.gibbs_records import GibbsSettings

    out = " ".join(run(capsys, "simulate", "--help")[1].split())
    names = {**dict.fromkeys(("epochs", "optimizer", "learning_rate", "weight_decay"), DescentSettings())}
    names |= dict.fromkeys(("warmup", "draws", "walkers", "start"), GibbsSettings())
    for name, settings in names.items():
        option = re.search(rf"--{name.replace('_', '-')} .*?\[default: (\S+)\]", out)
        assert option and option[1] == str(getattr(settings, name)), name


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ("solve --alpha 1e308", 1, "no fixed point"),
        ("chain --alpha 2 --alpha 1 --gamma 1e9", 2, "gamma must keep beta gamma at most 100000, got beta gamma ="),
    ],
)
@pytest.mark.filterwarnings("ignore:alpha = 1e")
def test_out_of_all_range_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: str, status: int, says: str
) -> None:
    ended, out, err = run(capsys, *arguments.split())
    assert (ended, out) == (status, "")
    assert says in err.splitlines()[-1]


def test_a_closed_standard_output_is_one_line() -> None:
    command = f"{sys.executable} -m statmech_cl solve --alpha 0.5 >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "statmech-cl: error: standard output is closed; open it, or send it to /dev/null\n"
