"""Who may import whom, and what a bare import loads."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

THEORY = Path(importlib.util.find_spec("statmech_cl").origin).parent
ROOMS = {
    name: Path(importlib.util.find_spec(f"statmech_cl.{name}").origin).parent
    for name in ("simulations", "figures", "paper_repro")
}


def _imports(path: Path, package: str) -> Iterator[str]:
    """Absolute names of everything that the file imports when it runs, at any depth."""
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            module = base + (node.module or "")
            yield module
            yield from (f"{module.rstrip('.')}.{alias.name}" for alias in node.names)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those behind `if TYPE_CHECKING:`."""
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from _running(child)


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
            "for name in COMMANDS: import_module(f'statmech_cl.commands.{name}')",
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
