"""The explore page: what the sliders may hold, and that it shows what its commands and its Python give."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys

import numpy as np
import pytest

from statmech_cl import ChainSolution, Solution, cli, figures
from statmech_cl.explore import shown
from statmech_cl.explore.state import SLIDERS, State

HAS_FLASK = importlib.util.find_spec("flask") is not None
needs_flask = pytest.mark.skipif(not HAS_FLASK, reason="needs the extra explore")
SEEN = State(alpha=1.7, beta=20.0, tasks=3, alpha_2=0.75, gamma=0.3, overlap=-0.25, anchor="ewc")
PRIOR = State(alpha=1.2, beta=30.0, prior="kl", anchor="none")


def _python(text: str) -> object:
    """The value of the last line of `text`."""
    *before, last = text.splitlines()
    names: dict[str, object] = {}
    exec("\n".join(before), names)
    return eval(last, names)


def _printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    name, *arguments = command.split()
    assert name == "statmech-cl" and cli.main(arguments) == 0
    return capsys.readouterr().out


def test_an_empty_address_shows_the_defaults_and_every_name_is_read() -> None:
    assert State.read({}) == State()
    address = {
        **{name: [str(getattr(SEEN, name))] for name in SLIDERS},
        "prior": ["none"],
        "anchor": ["ewc"],
    }
    assert State.read(address) == SEEN


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ({"alpha": ["9"]}, "alpha must be a finite number in [0.05, 3], got 9.0"),
        ({"alpha": ["nan"]}, "alpha must be a finite number in [0.05, 3], got nan"),
        ({"beta": ["warm"]}, "beta must be a finite number in [1, 200], got 'warm'"),
        ({"tasks": ["2.5"]}, "tasks must be a whole number >= 2, got 2.5"),
        ({"tasks": ["6"]}, "tasks must be a finite number in [2, 5], got 6.0"),
        ({"overlap": ["0", "1"]}, "overlap must be given once in the address, got '0', '1'"),
        ({"aplha": ["1"]}, "did you mean 'alpha'?"),
        ({"prior": ["kll"]}, "did you mean 'kl'?"),
        ({"anchor": ["ewk"]}, "did you mean 'ewc'?"),
        ({"anchor": ["none"], "gamma": ["1"]}, "gamma must not be given with the anchor 'none', got 1.0"),
    ],
)
def test_a_bad_address_is_refused_in_one_line(address: dict[str, list[str]], line: str) -> None:
    with pytest.raises(ValueError) as refused:
        State.read(address)
    assert line in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("state", [SEEN, PRIOR])
def test_solutions_are_those_of_their_command_and_python(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown.solutions(state)
    solutions = _python(told["python"])
    assert isinstance(solutions, list) and all(isinstance(solution, Solution) for solution in solutions)
    expected = sorted((f"{solution.r:.6g}", f"{solution.eps_g:.6g}", solution.stable) for solution in solutions)
    assert sorted((c["r"], c["eps_g"], c["stable"] == "yes") for c in told["columns"]) == expected
    assert sum(column["thermodynamic"] == "yes" for column in told["columns"]) == 1
    printed = _printed(told["command"] + " --json", capsys)
    assert all(repr(solution.eps_g) in printed for solution in solutions)


def test_three_coexist_and_the_saddle_is_not_stable() -> None:
    columns = shown.solutions(SEEN)["columns"]
    assert [column["stable"] for column in columns] == ["no: replicon > 1", "no: saddle", "yes"]
    assert [column["thermodynamic"] for column in columns] == ["no", "no", "yes"]


@pytest.mark.parametrize("state", [SEEN, PRIOR])
def test_forgetting_is_that_of_its_command_and_python(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    told = shown.forgetting(state)
    solution = _python(told["python"])
    assert isinstance(solution, ChainSolution) and solution.chain == state.chain()
    np.testing.assert_array_equal(told["eps_g"], solution.eps_g)
    assert told["average_accuracy"] == solution.average_accuracy
    printed = _printed(told["command"] + " --json", capsys)
    assert all(repr(float(value)) in printed for value in solution.eps_g.ravel())
    assert ("gamma" in told["command"]) == (state.anchor != "none")


def test_the_line_in_the_picture_stands_at_alpha() -> None:
    drawn = shown.picture(20.0, "none")
    assert drawn.svg.startswith("<svg") and len(drawn.steps) == 2
    for name, shift in drawn.shifts(1.5).items():
        assert f'id="{name}"' in drawn.svg
        assert 0.0 < shift < 0.5 * 6.8 * 72.0
    # ticks at 0 and 3: alpha = 3 is the right end of each panel, twice as far as 1.5
    assert drawn.shifts(3.0) == pytest.approx({name: 2.0 * shift for name, shift in drawn.shifts(1.5).items()})


def test_folds_are_circles_in_both_panels() -> None:
    branch = shown.branches_of(20.0, "none")
    figure = figures.branches(branch)
    for ax, names in zip(figure.axes, (("q_star", "q", "r"), ("eps_g",)), strict=True):
        circles = [line for line in ax.lines if line.get_marker() == "o"]
        assert [float(line.get_xdata()[0]) for line in circles] == [
            fold["alpha"] for fold in branch.folds for _ in names
        ]
    alpha = [point.task.alpha for point in branch.points]
    turns = [i for i in range(1, len(alpha) - 1) if (alpha[i] - alpha[i - 1]) * (alpha[i + 1] - alpha[i]) < 0.0]
    assert [line.get_ydata()[0] for line in circles] == [branch.points[i].eps_g for i in turns]


def test_branches_are_those_of_their_python() -> None:
    told = shown.branches(State(alpha=0.3))
    branch = _python(told["python"])
    assert [f"fold at α = {fold['alpha']:.6g}" for fold in branch.folds] == told["events"][:2]  # type: ignore[attr-defined]
    assert told["command"] == "statmech-cl branches --alpha 0.05:3 --beta 20 --prior none"


@needs_flask
def test_the_page_answers_and_says_what_is_wrong() -> None:
    from statmech_cl.explore.page import application

    client = application().test_client()
    page = client.get("/?alpha=1.25&anchor=l2")
    assert page.status_code == 200 and 'name="alpha" value="1.25"' in page.text and "<option selected>l2" in page.text
    bad = client.get("/?alpha=%3Cb%3E9")
    assert bad.status_code == 400
    assert "alpha must be a finite number in [0.05, 3], got &#39;&lt;b&gt;9&#39;" in bad.text
    assert client.get("/solutions?alpha=0.5").json["columns"][0]["eps_g"] == "0.355433"
    refused = client.get("/forgetting?gamma=-1")
    assert refused.status_code == 400 and refused.json["error"] == "gamma must be a finite number in [0, 5], got -1.0"
    assert client.get("/nothing").status_code == 404


@needs_flask
def test_another_name_than_this_machine_is_refused() -> None:
    from statmech_cl.explore.page import application

    assert application().test_client().get("/", headers={"Host": "elsewhere.example"}).status_code == 400


@needs_flask
def test_it_listens_on_this_machine_only_and_refuses_a_taken_port(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from werkzeug.serving import BaseWSGIServer

    bound = []

    def serve_forever(server: BaseWSGIServer) -> None:
        bound.append(server.socket.getsockname())
        raise KeyboardInterrupt

    monkeypatch.setattr(BaseWSGIServer, "serve_forever", serve_forever)
    assert cli.main(["explore", "--port", "0", "--no-browser"]) == 0
    assert [host for host, _ in bound] == ["127.0.0.1"]
    assert f"http://127.0.0.1:{bound[0][1]}/" in capsys.readouterr().out
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert cli.main(["explore", "--port", str(taken.getsockname()[1]), "--no-browser"]) == 2
    assert "port must be a free one" in capsys.readouterr().err
    assert cli.main(["explore", "--port", "70000"]) == 2


def test_without_flask_one_line_names_the_extra() -> None:
    program = "import sys; sys.modules['flask'] = None\nfrom statmech_cl import cli\nsys.exit(cli.main(['explore']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "statmech-cl: error: pages in the browser need flask; install it with: pip install 'statmech-cl[explore]'"
    ]
