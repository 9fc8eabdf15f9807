"""Where a number comes from: the digest of the code that computed it, versions of libraries, the checkout's commit.

The digest covers the import closure of the module that computes: its source and that of every module of this package
which it imports, at any depth and anywhere in a file. It is read from the import statements themselves, so that no list
has to be kept by hand. An import by name (`importlib`) is not seen; tests forbid those where numbers are computed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ._version import __version__

_PACKAGE = __name__.partition(".")[0]
_REPORTED = ("numpy", "scipy", "numba", "torch", "matplotlib")


def code_version(*modules: str) -> str:
    """The package's version and a digest of the import closure of `modules`: edited code never meets old results.

    Raises
    ------
    ValueError : a name that is no importable module with source.
    """
    files: dict[str, Path] = {}
    for module in modules:
        files |= import_closure(module)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return f"{__version__}+{digest.hexdigest()[:16]}"


def named(function: Callable[..., Any]) -> tuple[str, str]:
    """The name under which a function's results are stored, and the `code_version` of the module that it stands in.

    Raises
    ------
    ValueError : not a function of a module with source (a notebook has none).
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or name is None:
        raise ValueError(f"function must be a function of a module, got {function!r}")
    return f"{module}.{name}", code_version(module)


def import_closure(module: str) -> dict[str, Path]:
    """Name and file of `module` and of all that it imports from its own package and from this one, at any depth.

    A name that a package's `__init__` takes from one of its modules leads to that module, not to all of the others.
    """
    if _source(module) is None:
        raise ValueError(f"module must be an importable module with source, got {module!r}")
    tops = {_PACKAGE, module.partition(".")[0]}
    reached: dict[str, Path] = {}
    handing: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in reached or path is None:
            continue
        reached[name] = path
        for imported, only_hands_on in _imports(name, path, path.stat().st_mtime_ns):
            source = _source(imported)
            if imported.partition(".")[0] not in tops or source is None:
                continue
            if only_hands_on:
                handing[imported] = source
            else:
                waiting.append(imported)
    return handing | reached


def direct_imports(module: str) -> set[str]:
    """The modules that `module` needs by its own import statements, those inside functions included."""
    path = _source(module)
    if path is None:
        raise ValueError(f"module must be an importable module with source, got {module!r}")
    return {name for name, only_hands_on in _imports(module, path, path.stat().st_mtime_ns) if not only_hands_on}


def versions() -> dict[str, str | None]:
    """Versions of the package, of Python and of the libraries that the numbers depend on, and the checkout's commit."""
    said: dict[str, str | None] = {"statmech-cl": __version__, "commit": commit()}
    said["python"] = platform.python_version()
    for name in _REPORTED:
        try:
            said[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            said[name] = None
    return said


def commit() -> str | None:
    """Commit of the checkout that the package runs from, with "+" when files differ from it; None when installed."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


@cache
def _source(module: str) -> Path | None:
    """The source file of a module, None where there is none."""
    if module == "__main__":  # a script: it has a file, and no specification
        script = getattr(sys.modules[module], "__file__", None)
        return None if script is None else Path(script)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _is_package(path: Path) -> bool:
    return path.name == "__init__.py"


@cache
def _imports(module: str, path: Path, _changed: int) -> tuple[tuple[str, bool], ...]:
    """What a file imports when it runs: names of modules, and whether a module only hands a name on."""
    needed: dict[tuple[str, bool], None] = {}
    package = module if _is_package(path) else module.rpartition(".")[0]
    for node in running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            needed.update(((alias.name, False), None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)
            for alias in node.names:
                needed.update((entry, None) for entry in _named(base, alias.name))
    return tuple(needed)


def _named(base: str, name: str) -> Iterator[tuple[str, bool]]:
    """The modules that `from base import name` needs."""
    path = _source(base)
    if path is None:
        return
    if not _is_package(path):
        yield base, False
    elif _source(f"{base}.{name}") is not None:
        yield f"{base}.{name}", False
    else:
        origin = _handed_on(base, path, name)
        yield base, origin is not None
        if origin is not None:
            yield from _named(origin, name)


def _handed_on(package: str, path: Path, name: str) -> str | None:
    """The module from which a package's `__init__` takes `name`."""
    for node in running(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return absolute(node, package)
    return None


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of the module that a `from ... import` in `package` names."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a file but those behind `if TYPE_CHECKING:`, which never run."""
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from running(child)
