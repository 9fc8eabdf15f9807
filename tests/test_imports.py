"""Who may import whom, and what a bare import loads."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from statmech_cl import provenance
from statmech_cl.cli import COMMANDS
from statmech_cl.provenance import absolute, running

THEORY = Path(importlib.util.find_spec("statmech_cl").origin).parent
ROOMS = {
    name: Path(importlib.util.find_spec(f"statmech_cl.{name}").origin).parent
    for name in ("simulations", "figures", "paper_repro", "explore")
}


def _imports(path: Path, package: str) -> Iterator[str]:
    """Absolute names of everything that the file imports when it runs, at any depth."""
    for node in running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, package)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _package(path: Path) -> str:
    for name, folder in ROOMS.items():
        if path.is_relative_to(folder):
            return ".".join(["statmech_cl", name, *path.parent.relative_to(folder).parts])
    return ".".join(["statmech_cl", *path.parent.relative_to(THEORY).parts])


def _offenders(files: list[Path], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.name}: {module}"
        for path in files
        for module in _imports(path, _package(path))
        if any(module == name or module.startswith(name + ".") for name in forbidden)
    ]


def _theory() -> list[Path]:
    return [path for path in THEORY.rglob("*.py") if not any(path.is_relative_to(room) for room in ROOMS.values())]


def test_there_is_something_to_check() -> None:
    assert len(_theory()) > 5
    assert all(list(folder.glob("*.py")) for folder in ROOMS.values())


def _inner() -> list[Path]:
    """The theory without the commands, which may load anything once they are called."""
    return [path for path in _theory() if "commands" not in path.parts]


def test_theory_imports_no_torch_and_no_matplotlib() -> None:
    assert _offenders(_inner(), ("torch", "matplotlib")) == []


def test_only_the_commands_know_the_outer_rooms() -> None:
    assert _offenders(_inner(), tuple(f"statmech_cl.{room}" for room in ROOMS)) == []


def test_figures_compute_nothing() -> None:
    computing = ("torch", "scipy", "numba", "statmech_cl.simulations", "statmech_cl.paper_repro")
    computing += ("statmech_cl.equilibrium", "statmech_cl.kernels", "statmech_cl.sweep")
    assert _offenders(list(ROOMS["figures"].rglob("*.py")), computing) == []


def _modules() -> list[str]:
    """Every module of the package, the outer rooms included."""
    names = []
    for path in [*_theory(), *(file for folder in ROOMS.values() for file in folder.rglob("*.py"))]:
        package = _package(path)
        names.append(package if path.name == "__init__.py" else f"{package}.{path.stem}")
    return sorted(set(names))


# The one place that loads modules by name: the command line loads a command when it is called.
BY_NAME = {"statmech_cl.cli": {f"statmech_cl.commands.{name.replace('-', '_')}" for name in COMMANDS}}


def test_no_circle_not_even_a_lazy_one() -> None:
    graph = {name: provenance.direct_imports(name) | BY_NAME.get(name, set()) for name in _modules()}
    # graphlib raises CycleError, which names the circle; a package may hold what its modules need of it
    order = list(TopologicalSorter({name: needs - {name} for name, needs in graph.items()}).static_order())
    assert set(graph) <= set(order)


def test_no_module_of_ours_is_imported_by_string() -> None:
    offenders = []
    for name in _modules():
        path = Path(importlib.util.find_spec(name).origin)
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called not in ("import_module", "__import__"):
                continue
            target = node.args[0]
            plain = isinstance(target, ast.Constant) and not str(target.value).startswith((".", "statmech_cl"))
            if not plain and name not in BY_NAME:
                offenders.append(f"{name}: line {node.lineno}")
    assert offenders == []


def test_arrows_in_the_theory_go_down() -> None:
    """Kernels know nothing of problems; problems nothing of solvers; solvers nothing of commands and grids."""
    floors = {
        "kernels": ("problem", "channels", "sites", "equilibrium", "sweep", "commands", "solution"),
        "problem": ("sites", "equilibrium", "sweep", "commands", "solution"),
        "channels": ("problem", "sites", "equilibrium", "sweep", "commands"),
        "anchors": ("problem", "sites", "equilibrium", "kernels", "sweep", "commands"),
        "sites": ("equilibrium", "sweep", "commands"),
        "equilibrium": ("sweep", "store", "commands", "dynamics", "protocols"),
    }
    offenders = []
    for room, above in floors.items():
        for path in _theory():
            package = _package(path)
            name = package if path.name == "__init__.py" else f"{package}.{path.stem}"
            if name == f"statmech_cl.{room}" or name.startswith(f"statmech_cl.{room}."):
                offenders += _offenders([path], tuple(f"statmech_cl.{other}" for other in above))
    assert offenders == []


def test_simulations_know_no_figures_and_no_theory_engine() -> None:
    forbidden = ("matplotlib", "statmech_cl.figures", "statmech_cl.paper_repro", "statmech_cl.kernels")
    assert _offenders(list(ROOMS["simulations"].rglob("*.py")), forbidden) == []


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import statmech_cl", ("torch", "matplotlib", "click", "pandas", "xarray")),
        ("import statmech_cl.cli", ("torch", "matplotlib", "pandas", "scipy")),
        (
            "from importlib import import_module\nfrom statmech_cl.cli import COMMANDS\n"
            "for name in COMMANDS: import_module('statmech_cl.commands.' + name.replace('-', '_'))",
            ("torch", "matplotlib", "pandas", "numba"),
        ),
        ("import statmech_cl.paper_repro", ("torch", "matplotlib", "pandas")),
        ("import statmech_cl.figures", ("torch", "pandas", "matplotlib.pyplot")),
    ],
)
def test_bare_imports_stay_light(statement: str, absent: tuple[str, ...]) -> None:
    program = f"{statement}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
