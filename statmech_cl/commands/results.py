"""What the commands that print a result share: the form it takes, where it goes, and points that fail one by one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..output import check_writable_file, write_atomic
from ..solution import ConvergenceError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMS = ("json", "csv")
Failed = str  # why a point has no solution


def result_options(*, as_json: str, as_csv: str) -> Callable[[Any], Any]:
    """`--json` and `--csv` with what they say, and `-o FILE`: arguments `form` and `output` of `choose_form`."""
    options = [
        click.option("--json", "form", flag_value="json", help=as_json),
        click.option("--csv", "form", flag_value="csv", help=as_csv),
        click.option(
            "-o", "--output", type=click.Path(path_type=Path), help="Write to this file, in its suffix's form."
        ),
    ]
    return lambda command: functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def choose_form(form: str | None, output: Path | None) -> str:
    """ "json", "csv" or "table": what was asked for, or what the file's suffix says. The file is checked.

    Raises
    ------
    OSError : the file cannot be written.
    """
    if output is None:
        return form or "table"
    check_writable_file(output)
    return form or (output.suffix[1:] if output.suffix[1:] in FORMS else "table")


def deliver(text: str, output: Path | None) -> None:
    """Write the whole text to the file, or print it."""
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomic(output, text)


def solve_each(
    points: Sequence[tuple[Mapping[str, float], Any]], branch: str, **options: Any
) -> tuple[list[tuple[dict[str, float], Any]], list[str]]:
    """(what is swept, a solution or the reason why there is `Failed`) for every (what is swept, problem); the failures.

    `options` go to `solve`. A single point that fails raises what `solve` raised.
    """
    from statmech_cl import solve

    rows: list[tuple[dict[str, float], Any]] = []
    failures = []
    for swept, problem in points:
        try:
            found: Any = solve(problem, branch=branch, **options)
        except (ValueError, ConvergenceError) as error:
            if len(points) == 1:
                raise
            failures.append(f"{', '.join(f'{name}={value:g}' for name, value in swept.items())}: {error}")
            rows.append((dict(swept), str(error)))
            continue
        rows.extend((dict(swept), one) for one in (found if isinstance(found, list) else [found]))
    return rows, failures


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
    except OSError as error:
        raise type(error)(f"{file} cannot be read: {error.strerror}") from None


@contextmanager
def kept_in(where: Path, what: str = "points") -> Iterator[None]:
    """Ctrl-C inside says where the finished points (epochs, ...) are, and that the same command goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; finished {what} are kept in {where}, run again to go on") from None
