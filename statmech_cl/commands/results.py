"""What the commands that print a result share: the form it takes, where it goes, and points that fail one by one."""

from __future__ import annotations

import functools
import importlib.util
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from ..output import check_writable_file, columns_of, to_csv, write_atomic
from ..problem import Problem, to_dict
from ..progress import bar
from ..provenance import code_version
from ..solution import ConvergenceError
from ..store import Store

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMS = {".json": "json", ".csv": "csv", ".txt": "table", ".parquet": "parquet", ".xlsx": "xlsx"}  # by suffix
PICTURES = (".pdf", ".png", ".svg")
ROWS = ("csv", "parquet", "xlsx")  # the forms that hold plain rows
_ENGINES = {"parquet": "pyarrow", "xlsx": "openpyxl"}
_SOLVER = "statmech_cl.equilibrium.solve"  # the module whose code decides what is stored
_CSV = "as_csv"
Failed = str  # why a point has no solution


def result_options(*, as_json: str, as_csv: str) -> Callable[[Any], Any]:
    """`--json` and `--csv` with what they say, and `-o FILE`: arguments `form` and `output` of `choose_form`."""
    options = [
        click.option("--json", "form", is_flag=True, callback=_form, help=as_json),
        click.option("--csv", _CSV, is_flag=True, is_eager=True, expose_value=False, callback=_note_csv, help=as_csv),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            help="Write to this file, in its suffix's form: .json, .csv, .txt (the table), .parquet or .xlsx.",
        ),
    ]
    return lambda command: functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _note_csv(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    context.meta[_CSV] = given


def _form(context: click.Context, _parameter: click.Parameter, json: bool) -> str | None:
    """`form`, of --json here and --csv, which was read before."""
    if json and context.meta[_CSV]:
        raise ValueError("--json and --csv exclude each other; give one of them")
    return "json" if json else "csv" if context.meta[_CSV] else None


def all_option() -> Callable[[Any], Any]:
    """`--all`: argument `everything`."""
    return click.option("--all", "everything", is_flag=True, help="In a table: every column, ten digits, any width.")


def store_option() -> Callable[[Any], Any]:
    """`--store FILE`."""
    told = "Keep finished points in this file, and find them there."
    return click.option("--store", type=click.Path(path_type=Path), help=told)


def choose_form(form: str | None, output: Path | None, *, everything: bool = False) -> str:
    """ "json", "csv", "table", "parquet" or "xlsx": what was asked for, or what the file's suffix says. The file is
    checked, and that what writes its form is installed.

    everything : whether `--all` was given, which is for tables.

    Raises
    ------
    ValueError : another suffix, a suffix and an option that contradict each other, something that is not installed.
    OSError : the file cannot be written.
    """
    chosen = form or "table"
    if output is not None:
        check_writable_file(output)
        said = FORMS.get(output.suffix)
        if said is None:
            raise ValueError(f"output must end in one of {', '.join(FORMS)}, got {str(output)!r}")
        if form not in (None, said):
            raise ValueError(f"output must end in .{form} with --{form}, got {str(output)!r}")
        chosen = said
        _check_engine(said)
    if everything and chosen != "table":
        raise ValueError(f"all must be given with a table only, got it with {chosen}, which holds everything")
    return chosen


def _check_engine(form: str) -> None:
    if form not in _ENGINES:
        return
    missing = [name for name in ("pandas", _ENGINES[form]) if importlib.util.find_spec(name) is None]
    if missing:
        needed = " and ".join(missing)
        raise ValueError(f".{form} files need {needed}; install with: pip install 'statmech-cl[tables]'")


def rows_as(rows: Sequence[Mapping[str, Any]], form: str) -> str | bytes:
    """Rows as a CSV text, a parquet file or an Excel file."""
    if form == "csv":
        return to_csv(rows)
    import pandas

    buffer = io.BytesIO()
    table = pandas.DataFrame(list(rows), columns=columns_of(rows))
    if form == "parquet":
        table.to_parquet(buffer, engine="pyarrow", index=False)
    else:
        nested = {name: str for name in table if table[name].map(lambda cell: isinstance(cell, (list, dict))).any()}
        table.astype(nested).to_excel(buffer, engine="openpyxl", index=False)
    return buffer.getvalue()


def check_plot(path: Path | None) -> None:
    """Check that `--plot` names a picture that can be written.

    Raises
    ------
    ValueError, OSError : another suffix, no such folder.
    """
    if path is not None and check_writable_file(path, "plot").suffix not in PICTURES:
        raise ValueError(f"plot must end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}, got {str(path)!r}")


def deliver(content: str | bytes, output: Path | None) -> None:
    """Write the whole content to the file, or print it."""
    if output is None:
        click.echo(content, nl=False)
    else:
        write_atomic(output, content)


def solve_each(
    points: Sequence[tuple[Mapping[str, float], Problem]],
    branch: str,
    write: Callable[[list[tuple[dict[str, float], Any]]], None],
    *,
    store: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Solve every (what is swept, problem) and `write` the list of (what is swept, the solution's plain values or the
    reason why there is none, `Failed`). Ctrl-C writes what is finished; exit status 1 where points failed.

    `options` go to `solve`. A single point that fails raises what `solve` raised.
    """
    rows: list[tuple[dict[str, float], Any]] = []
    failures = []
    done = 0
    with Store(store, version=code_version(_SOLVER)) if store is not None else nullcontext() as opened:
        try:
            for swept, problem in bar(points, "solve", total=len(points), quiet=quiet or len(points) == 1):
                try:
                    rows.extend((dict(swept), solved) for solved in _solved(opened, problem, branch, options))
                except (ValueError, ConvergenceError) as error:
                    if len(points) == 1:
                        raise
                    failures.append(f"{', '.join(f'{name}={value:g}' for name, value in swept.items())}: {error}")
                    rows.append((dict(swept), str(error)))
                done += 1
        except KeyboardInterrupt:
            if rows:
                write(rows)
            raise KeyboardInterrupt(f"interrupted after {done} of {len(points)} points") from None
    write(rows)
    end_with(failures, len(points))


def _solved(store: Store | None, problem: Problem, branch: str, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The plain values of each solution, from the store where they are there already."""
    parameters = {"problem": to_dict(problem), "branch": branch, **options}
    kept = None if store is None else store.get("solve", parameters)
    if kept is None:
        from statmech_cl import solve

        answer: Any = solve(problem, branch=branch, **options)
        kept = {"solutions": [one.to_dict() for one in (answer if isinstance(answer, list) else [answer])]}
        if store is not None:
            kept = store.put("solve", parameters, kept)
    solutions: list[dict[str, Any]] = kept["solutions"]
    return solutions


def conclude(sentence: str, *, holds: bool) -> None:
    """The last line of a command that judges, HOLDS or DOES NOT HOLD and why; exit status 1 where it does not."""
    click.echo(f"{'HOLDS' if holds else 'DOES NOT HOLD'}: {sentence}")
    if not holds:
        raise click.exceptions.Exit(1)


def end_with(failures: Sequence[str], n_points: int) -> None:
    """Exit status 1 and one line where points failed."""
    if failures:
        click.echo(f"statmech-cl: error: {len(failures)} of {n_points} points failed; {failures[0]}", err=True)
        raise click.exceptions.Exit(1)


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises
    ------
    ValueError, OSError : it is not one, it cannot be read; one line that names the file.
    """
    try:
        with file.open("rb") as opened:
            return tomllib.load(opened)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not a TOML file: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not a TOML file: byte {error.start} is no UTF-8 text") from None
    except OSError as error:
        raise type(error)(f"{file} cannot be read: {error.strerror}") from None


@contextmanager
def in_file(file: Path, table: str = "") -> Iterator[None]:
    """A ValueError inside names the file, and the table of it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{file}: {table}{error}") from None


@contextmanager
def kept_in(where: Path, what: str = "points") -> Iterator[None]:
    """Ctrl-C inside says where the finished points (epochs, ...) are, and that the same command goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; finished {what} are kept in {where}, run again to go on") from None
