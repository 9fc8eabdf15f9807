"""Sweeps: grids, resuming, failing points, dying workers, Dask."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmech_cl import Chain, Perceptron, Task, cli, solve
from statmech_cl import points as points_module
from statmech_cl import sweep as sweep_module
from statmech_cl.points import ChainPoint, Point, TaskPoint
from statmech_cl.simulations.perceptron.simulation import Simulation
from statmech_cl.sweep import points, sweep, to_xarray
from statmech_cl.trees import Tree

CHAIN = 'problem = "chain"\n[parameters]\ntasks = [{alpha = 1.0}, {alpha = 1.0}]\n'
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra simulations")
SMALL = Simulation(task=Task(alpha=1.0), n=30, seeds=2, settings={"epochs": 2})


@pytest.fixture
def thread() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def run_script(program: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = cwd / "script.py"
    script.write_text(textwrap.dedent(program))
    return subprocess.run([sys.executable, str(script)], cwd=cwd, capture_output=True, text=True, timeout=300)


# Grids


@given(
    st.floats(0, 5),
    st.floats(0.1, 100),
    st.sampled_from(["none", "kl"]),
    st.none() | st.floats(0.1, 0.9),
)
def test_a_task_comes_back_from_its_parameters(alpha: float, beta: float, prior: str, q_star: float | None) -> None:
    point = TaskPoint(Task(alpha=alpha, beta=beta, prior=prior, q_star=q_star, gamma=0.3), "low")
    assert point.at(json.loads(json.dumps(point.values()))) == point


@pytest.mark.parametrize(
    "problem",
    [
        Chain((Task(alpha=2.0), Task(alpha=1.0, gamma=0.1), Task(alpha=0.5, anchor="ewc")), overlaps=(0.5, -0.5)),
        Chain((Task(alpha=2.0), Task(alpha=1.0)), law={(1,): 0.75, (-1,): 0.25}),
        Chain((Task(alpha=2.0),)),
        SMALL,
        Simulation(task=Task(alpha=1.0, beta=5.0, prior="kl"), method="gibbs", settings={"draws": 10}),
    ],
)
def test_other_problems_come_back(problem: Chain | Simulation) -> None:
    point = points_module.point_of(problem)
    again = point.at(json.loads(json.dumps(point.values())))
    assert again.values() == point.values()
    plain = json.loads(json.dumps(point.to_dict()))
    if isinstance(problem, Simulation):
        assert Simulation.from_dict(plain) == problem
    else:
        assert again == ChainPoint(problem) and Chain.from_dict(plain) == problem


def test_a_grid_may_vary_every_setting_of_a_simulation() -> None:
    from statmech_cl.simulations.perceptron.descent import DescentSettings
    from statmech_cl.simulations.perceptron.gibbs_records import GibbsSettings

    for kind, settings in (("descent", DescentSettings), ("gibbs", GibbsSettings)):
        varied = {f.name for f in dataclasses.fields(settings)} | {"device"}
        assert varied <= {*Simulation(task=Task(alpha=1.0), method=kind).values()}


def test_the_grid_is_a_product_in_order() -> None:
    grid = points(Chain((Task(alpha=2.0), Task(alpha=1.0))), {"alpha_2": [1, 2], "overlap_2": [-0.5, 0.5]})
    assert {p.kind for p in grid} == {"chain"}
    values = [p.values() for p in grid]
    assert [(p["alpha_2"], p["overlap_2"]) for p in values] == [(1, -0.5), (1, 0.5), (2, -0.5), (2, 0.5)]
    assert all(p["alpha_1"] == 2.0 for p in values)


@pytest.mark.parametrize(
    ("problem", "grid", "says"),
    [
        (Task(alpha=1.0), {"alhpa": [1]}, r"grid must be one of .* got 'alhpa' \(did you mean 'alpha'\?\)"),
        (Task(alpha=1.0), {"alpha": []}, r"grid\['alpha'\] must hold at least one value, got none"),
        (Task(alpha=1.0), {"alpha": [0.5, -1]}, r"alpha must be a finite number in \[0, inf\), got -1.0"),
        (Task(alpha=1.0), {"branch": ["middle"]}, "branch must be one of"),
        (Task(alpha=1.0), {"gamma": [1.0]}, "grid must be one of alpha, beta, prior, q_star, channel, branch, got"),
        (Chain((Task(alpha=1.0), Task(alpha=1.0))), {"gamma_1": [1.0]}, r"got 'gamma_1' \(did you mean 'gamma_2'"),
        (Task(alpha=1.0), {"alpha": [1] * 1001, "beta": [2] * 1000}, "at most 1000000 points, got 1001000"),
        (Chain((Task(alpha=1.0),)), {"alpha_2": [1]}, "grid must be one of"),
        (SMALL, {"n": [1]}, "n must be a whole number >= 2, got 1"),
        ("task", {"alpha": [1]}, "problem must be a Task, a Chain or a Simulation, got 'task'"),
    ],
)
def test_bad_grids(problem: object, grid: dict[str, list[object]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sweep(problem, grid)


# Tables


def test_table_and_arrays(thread: Executor) -> None:
    grid = {"alpha": [0.5, 1.0], "n": [20, 30, 40]}
    table = sweep(SMALL, grid, executor=thread)
    assert list(table.columns[:2]) == ["alpha", "n"] and list(table.columns[-2:]) == ["status", "message"]
    assert list(zip(table["alpha"], table["n"], strict=True)) == [(a, n) for a in (0.5, 1.0) for n in (20, 30, 40)]
    assert (table["status"] == "done").all() and (table["message"] == "").all()
    assert table.attrs["kind"] == "descent" and table.attrs["parameters"]["epochs"] == 2
    arrays = to_xarray(table, grid)
    assert arrays["eps_g"].dims == ("alpha", "n") and arrays["eps_g"].shape == (2, 3)
    assert float(arrays["eps_g"].sel(alpha=1.0, n=30)) == table.query("alpha == 1.0 and n == 30")["eps_g"].item()


def test_one_failing_point_is_a_row(thread: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = sweep_module.compute_row

    def compute(point: Point) -> dict[str, object]:
        if point.values()["alpha"] == 1.0:
            raise ArithmeticError("no fixed\npoint")
        return true(point)

    monkeypatch.setattr(sweep_module, "compute_row", compute)
    grid = {"alpha": [0.5, 1.0, 1.5]}
    table = sweep(SMALL, grid, executor=thread, store=tmp_path / "s.sqlite")
    assert list(table["status"]) == ["done", "failed", "done"]
    assert table["message"][1] == "ArithmeticError: no fixed point" and np.isnan(table["eps_g"][1])
    # The next call finds the finished points and tries the failed one again.
    monkeypatch.setattr(sweep_module, "compute_row", lambda p: {**true(p), "diverged": p.values()["alpha"]})
    table = sweep(SMALL, grid, executor=thread, store=tmp_path / "s.sqlite")
    assert list(table["status"]) == ["done"] * 3 and list(table["diverged"]) == [0.0, 1.0, 0.0]


def test_a_repeated_sweep_computes_nothing(thread: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sweep(SMALL, {"alpha": [0.5, 1.0]}, executor=thread, store=tmp_path / "s.sqlite")
    monkeypatch.setattr(sweep_module, "compute_row", None)
    again = sweep(SMALL, {"alpha": [0.5, 1.0]}, executor=thread, store=tmp_path / "s.sqlite")
    pandas.testing.assert_frame_equal(first, again)


# Processes


def test_a_function_of_the_users_hears_of_each_point(thread: Executor, tmp_path: Path) -> None:
    store, heard = tmp_path / "store.sqlite", []
    sweep(Task(alpha=0.0), {"alpha": [0.2]}, executor=thread, store=store, quiet=True)
    table = sweep(Task(alpha=0.0), {"alpha": [0.1, 0.2]}, executor=thread, store=store, quiet=True, on_row=heard.append)
    assert [line["alpha"] for line in heard] == [0.2, 0.1]  # the stored one first
    assert [heard[1], heard[0]] == table.to_dict("records")


def test_a_function_that_raises_ends_the_sweep_and_keeps_its_points(thread: Executor, tmp_path: Path) -> None:
    def stop(line: dict[str, Any]) -> None:
        raise RuntimeError(f"enough at {line['alpha']}")

    store = tmp_path / "store.sqlite"
    with pytest.raises(RuntimeError, match=r"enough at 0\.1"):
        sweep(Task(alpha=0.0), {"alpha": [0.1, 0.2]}, executor=thread, store=store, quiet=True, on_row=stop)
    heard: list[dict[str, Any]] = []
    sweep(Task(alpha=0.0), {"alpha": [0.1]}, executor=thread, store=store, quiet=True, on_row=heard.append)
    assert [line["status"] for line in heard] == ["converged"]


def test_own_processes_give_the_numbers_of_a_thread_and_survive_a_killed_worker(
    thread: Executor, tmp_path: Path
) -> None:
    program = """
        import os, signal
        from pathlib import Path
        from statmech_cl import Task, sweep as module
        from statmech_cl.sweep import sweep

        true = module.compute_row
        def compute(point):
            if point.task.alpha == 1.0 and not Path("killed").exists():
                Path("killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            assert os.environ["OMP_NUM_THREADS"] == os.environ["NUMBA_NUM_THREADS"] == "1"
            return true(point)
        module.compute_row = compute  # in the workers too: they import this script

        if __name__ == "__main__":
            before = dict(os.environ)
            table = sweep(Task(alpha=1.0), {"alpha": [0.5, 0.75, 1.0, 1.25]}, store="s.sqlite")
            assert dict(os.environ) == before
            table.to_json("table.json", orient="records", double_precision=15)
    """
    done = run_script(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    table = json.loads((tmp_path / "table.json").read_text())
    alphas = [0.5, 0.75, 1.0, 1.25]
    assert [row["alpha"] for row in table] == alphas
    expected = sweep(Task(alpha=1.0), {"alpha": alphas}, executor=thread)
    np.testing.assert_allclose([row["eps_g"] for row in table], expected["eps_g"], rtol=1e-12)


def test_a_point_that_always_kills_its_worker_fails_alone(tmp_path: Path) -> None:
    program = """
        import os, signal
        from statmech_cl import Task, sweep as module
        from statmech_cl.sweep import sweep

        def compute(point):
            if point.task.alpha == 0.5:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"status": "done"}
        module.compute_row = compute

        if __name__ == "__main__":
            print(sweep(Task(alpha=1.0), {"alpha": [0.25, 0.5, 0.75]}).to_csv(index=False))
    """
    done = run_script(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2] == '0.5,failed,"the worker process died (killed, or out of memory)"'
    assert [line.split(",")[1] for line in done.stdout.splitlines()[1:4]] == ["done", "failed", "done"]


def test_ctrl_c_keeps_the_finished_points(tmp_path: Path) -> None:
    program = """
        import os, signal, sys, time
        from statmech_cl import cli, sweep as module

        def compute(point):
            if point.task.alpha > 0.5 and len(sys.argv) > 1:
                os.kill(os.getppid(), signal.SIGINT)
                time.sleep(60)
            return {"status": "done"}
        module.compute_row = compute

        if __name__ == "__main__":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
            sys.exit(cli.main(["sweep", "grid.toml"]))
    """
    (tmp_path / "grid.toml").write_text("[grid]\nalpha = [0.25, 0.5, 0.75, 1.0]\n")
    (tmp_path / "script.py").write_text(textwrap.dedent(program))
    command = [sys.executable, "script.py"]
    cut = subprocess.run([*command, "cut"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert cut.returncode == 130, cut.stderr
    assert cut.stderr == (
        "statmech-cl: error: interrupted; finished points are kept in grid.sqlite, run again to go on\n"
    )
    whole = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert whole.returncode == 0, whole.stderr
    assert [line.split(",")[0] for line in whole.stdout.splitlines()] == ["alpha", "0.25", "0.5", "0.75", "1.0"]


def test_dask_with_a_killed_worker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    program = """
        import os, signal
        from pathlib import Path
        from distributed import WorkerPlugin
        from statmech_cl import Task, sweep as module
        from statmech_cl.provenance import code_version
        from statmech_cl.store import Store

        class Patch(WorkerPlugin):
            def setup(self, worker):
                module.compute_row = compute

        def compute(point):
            # One of the two workers dies at its second point.
            mine = Path(f"worker-{os.getpid()}")
            if mine.exists() and not Path("killed").exists():
                Path("killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            mine.touch()
            return {"status": "done", "eps_g": point.task.alpha ** 2}

        if __name__ == "__main__":
            from dask.distributed import Client, LocalCluster
            options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
            with LocalCluster(**options) as cluster, Client(cluster) as client:
                client.register_plugin(Patch())  # reaches the worker that replaces the dead one, too
                grid = {"alpha": [0.1 * k for k in range(1, 13)]}
                table = module.sweep(Task(alpha=1.0), grid, executor=client.get_executor(), store="s.sqlite")
            assert len(table) == 12 and (table["status"] == "done").all(), table
            with Store("s.sqlite", version=code_version("statmech_cl.points")) as store:
                assert len(store) == 12, len(store)
            print(list(table["eps_g"]) == [a * a for a in grid["alpha"]])
    """
    done = run_script(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    assert done.stdout.strip() == "True"


def test_workers_of_a_cluster_use_one_thread_each(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    program = """
        import os
        from distributed import WorkerPlugin
        from statmech_cl import Task, sweep as module
        from statmech_cl.simulations.perceptron.simulation import Simulation

        class Patch(WorkerPlugin):
            def setup(self, worker):
                import numba, numpy, scipy.linalg  # before the sweep's first point, as other work may have done
                numpy.ones((500, 500)) @ numpy.ones((500, 500))
                assert numba.get_num_threads() == 2
                module.compute_row = compute

        def compute(point):
            import numba, threadpoolctl, torch
            pools = threadpoolctl.threadpool_info()
            assert {pool["user_api"] for pool in pools} >= {"blas", "openmp"}, pools
            counts = [pool["num_threads"] for pool in pools] + [numba.get_num_threads(), torch.get_num_threads()]
            return {"status": "done", "pid": os.getpid(), "threads": max(counts)}

        if __name__ == "__main__":
            from dask.distributed import Client, LocalCluster
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
            options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
            with LocalCluster(**options, env=dict.fromkeys(names, "2")) as cluster, Client(cluster) as client:
                client.register_plugin(Patch())
                problem = Simulation(task=Task(alpha=1.0), n=30, seeds=2)
                table = module.sweep(problem, {"alpha": [0.1, 0.2, 0.3, 0.4]}, executor=client.get_executor())
            assert (table["status"] == "done").all() and os.getpid() not in set(table["pid"]), table.to_string()
            print(list(table["threads"]))
    """
    done = run_script(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[1, 1, 1, 1]"


def test_points_in_this_process_leave_its_threads_alone(thread: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "use_one_thread", None)
    table = sweep(Task(alpha=1.0), {"alpha": [0.5, 1.0]}, executor=thread)
    assert list(table["status"]) == ["converged"] * 2


def test_chain_rows_name_the_forgetting_matrix(thread: Executor) -> None:
    chain = Chain((Task(alpha=2.0), Task(alpha=1.0)))
    table = sweep(chain, {"overlap_2": [0.0]}, executor=thread)
    solution = solve(chain)
    for after in (1, 2):
        for on in (1, 2):
            assert table[f"eps_g_after_{after}_on_{on}"][0] == solution.eps_g[after - 1, on - 1]
    assert table["q_star_2"][0] == solution.tasks[1].q_star
    assert table["status"][0] == "converged"


# The command


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("alpha = [", "is not a TOML file"),
        ('problem = "tsak"\n[grid]\nalpha = 1.0', "(did you mean 'task'?)"),
        ("[gird]\nalpha = 1.0", "(did you mean 'grid'?)"),
        ("[parameters]\nbeta = 20.0", "grid must hold at least one name"),
        ("[grid]\nalpha = '2:1:1'", "grid.alpha must have start <= stop"),
        ("[grid]\nalpha = [-1.0]", "alpha must be a finite number in [0, inf), got -1.0"),
        ("[parameters]\nbteA = 1.0\n[grid]\nalpha = [1.0]", "[parameters] name must be one of "),
        ("[parameters]\nprior = 'kl'\n[grid]\nbeta = [1.0]", "alpha"),
        (
            "[parameters]\nbeta = 1.0\n[grid]\nbeta = [1.0]",
            "beta must be in only one of parameters and grid, got it in both",
        ),
        ("grid = 3", "grid must be a table, got 3"),
        ("[grid]\nalpha = []", "grid.alpha must hold at least one value, got none"),
        ("[grid]\nalfa = [1.0]", "got 'alfa' (did you mean 'alpha'?)"),
        ("[grid]\nbeta = [1.0]", "[parameters] alpha must be given for a task, got none"),
        ("[parameters]\ngamma = 1.0\n[grid]\nalpha = [1.0]", "[parameters] name must be one of alpha, beta, prior"),
        (CHAIN + "law = 'x'\n[grid]\nalpha_2 = [1.0]", '[parameters] law must be a table of sign patterns like "+-"'),
        (CHAIN + "law = {'+-' = 1.0}\n[grid]\nalpha_2 = [1.0]", "law must map tuples of 1 signs +1 or -1"),
        (
            CHAIN.replace("{alpha = 1.0}]", "{alpha = 1.0, anchor = 'none', gamma = 2.0}]") + "[grid]\nalpha_2 = [1.0]",
            "gamma must not be given where the anchor is none, in task 2",
        ),
        (
            CHAIN.replace("[{alpha = 1.0}", "[{alpha = 1.0, gamma = 2.0}") + "[grid]\nalpha_2 = [1.0]",
            "name in task 1 must be one of alpha, beta, prior",
        ),
        (CHAIN + "overlaps = 'half'\n[grid]\nalpha_2 = [1.0]", "overlaps must be a number or 1 of them, got 'half'"),
    ],
)
def test_bad_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(content)
    assert cli.main(["sweep", str(file)]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_a_file_that_is_no_text_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_bytes(b"\xff\xfe")
    assert cli.main(["sweep", str(file)]) == 2
    assert capsys.readouterr().err.endswith("grid.toml is not a TOML file: byte 0 is no UTF-8 text\n")


@needs_torch
def test_points_that_no_memory_holds_are_refused_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text('problem = "descent"\n[parameters]\nseeds = 2\n[grid]\nn = [100, 100000000]\nalpha = [1.0]')
    assert cli.main(["sweep", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "n must be small enough for the memory of cpu, got 100000000" in said.err


def test_the_law_of_a_file_is_that_of_its_signs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(CHAIN + "law = {'+' = 0.75, '-' = 0.25}\n[grid]\nalpha_2 = [0.5]")
    assert cli.main(["sweep", str(file), "--quiet", "-o", str(tmp_path / "grid.json")]) == 0
    (row,) = json.loads((tmp_path / "grid.json").read_text())["rows"]
    expected = solve(Chain((Task(alpha=1.0), Task(alpha=0.5)), overlaps=0.5))
    assert row["eps_g_after_2_on_1"] == pytest.approx(expected.eps_g[1, 0], abs=1e-12)


def test_missing_file_and_unreachable_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["sweep", str(tmp_path / "no.toml")]) == 2
    assert "no.toml cannot be read: No such file or directory" in capsys.readouterr().err
    (tmp_path / "grid.toml").write_text("[grid]\nalpha = [1.0]")
    assert cli.main(["sweep", str(tmp_path / "grid.toml"), "--dask", "nonsense://x"]) == 2
    assert "dask must be the address of a running scheduler, got 'nonsense://x'" in capsys.readouterr().err


def test_the_branch_of_a_file_is_the_one_that_is_solved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "low.toml"
    file.write_text('[parameters]\nbranch = "low"\n[grid]\nalpha = [1.7]\n')
    assert cli.main(["sweep", str(file), "-o", str(tmp_path / "low.json"), "--quiet"]) == 0
    (row,) = json.loads((tmp_path / "low.json").read_text())["rows"]
    assert row["branch"] == "low" and row["eps_g"] == solve(Task(alpha=1.7), branch="low").eps_g > 0.1
    file.write_text('[parameters]\nbranch = "low"\n[grid]\nalpha = [2.5]\n')
    assert cli.main(["sweep", str(file), "--quiet"]) == 1 and "branch 'low' ends at alpha" in capsys.readouterr().out
    file.write_text("[parameters]\nalpha = 1.0\n[grid]\nalpha = [2.5]\n")
    assert cli.main(["sweep", str(file), "--quiet"]) == 2
    assert "alpha must be in only one of parameters and grid, got it in both" in capsys.readouterr().err


class Square:
    """A problem from outside."""

    kind = "square"

    def __init__(self, x: float = 0.0) -> None:
        self.x = x

    def values(self) -> dict[str, Any]:
        return {"x": self.x}

    def at(self, changes: Mapping[str, Any]) -> Square:
        return Square(**changes)

    def to_dict(self) -> dict[str, Any]:
        return {"x": self.x}

    def row(self) -> dict[str, Any]:
        return {"y": self.x**2, "status": "done"}


def test_a_problem_from_outside(thread: Executor, tmp_path: Path) -> None:
    table = sweep(Square(), {"x": [1.0, 3.0]}, executor=thread, store=tmp_path / "s.sqlite")
    assert list(table["y"]) == [1.0, 9.0]


def test_a_grid_may_vary_the_channel_and_stores_whole_problems(thread: Executor, tmp_path: Path) -> None:
    noisy = {"kind": "perceptron", "flips": 0.1}
    grid = {"channel": [Task(alpha=1.0).to_dict()["channel"], noisy]}
    table = sweep(Task(alpha=0.5), grid, executor=thread, store=tmp_path / "s.sqlite")
    assert table["eps_g"][1] == solve(Task(alpha=0.5, channel=Perceptron(flips=0.1))).eps_g > table["eps_g"][0]
    with contextlib.closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        stored = [json.loads(line) for (line,) in connection.execute("SELECT parameters FROM points")]
    assert noisy in [parameters["task"]["channel"] for parameters in stored]


def test_settings_are_refused_before_anything_is_computed() -> None:
    with pytest.raises(ValueError, match=r"setting of descent must be one of .* got 'epoch' \(did you mean"):
        Simulation(task=Task(alpha=1.0), settings={"epoch": 3})
    with pytest.raises(ValueError, match=r"task.channel must be a Perceptron in a simulated point"):
        Simulation(task=Task(alpha=1.0, channel=Tree()))
