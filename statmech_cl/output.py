"""Writing results: checked before the computation, atomic after it, the same bytes for the same numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 100  # of a table on a terminal
_ERRORS = ("residual", "quadrature_error")  # sizes, of which two digits say all


def check_writable_file(path: str | Path, name: str = "output") -> Path:
    """Return `path` if a file can be written there; an OSError that says why not otherwise.

    name : what the error calls it.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be a file, got {str(path)!r}, which is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name} must be in a folder that exists, got {str(path)!r}")
    _try_writing(path.parent)
    return path


def check_writable_folder(path: str | Path) -> Path:
    """Make the folder `path` if missing and return it if files can be written there; an OSError otherwise."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(f"output {path} is a file; give a folder") from None
    except OSError as error:
        raise type(error)(f"output folder {path} cannot be made: {error.strerror}") from None
    _try_writing(path)
    return path


def _try_writing(folder: Path) -> None:
    # os.access is wrong for root and on read-only mounts: really write.
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(f"output folder {folder} cannot be written: {error.strerror}") from None


def write_atomic(path: str | Path, content: str | bytes) -> None:
    """Write the whole file or nothing: a reader never meets half of it, a failure leaves the old one."""
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise type(error)(f"output {path} cannot be written: {error.strerror}") from None
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _jsonable(value: Any) -> Any:
    """`value` in JSON's own types; JSON has no nan and no infinity, so these become null and strings."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (np.generic, np.ndarray)):
        return _jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def to_json(value: Any) -> str:
    """Readable JSON text of dicts, lists, numbers and arrays, ending in a newline."""
    return json.dumps(_jsonable(value), indent=2, allow_nan=False) + "\n"


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV text: one line a row, the columns in order of first appearance, missing values empty, floats in full."""
    columns = columns_of(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if row.get(name) is None else _csv_cell(row[name]) for name in columns])
    return buffer.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value) if isinstance(value, float) else value


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all rows, in order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


def to_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    *,
    digits: int = 10,
    widest: Mapping[str, int] | None = None,
) -> str:
    """A plain-text table for people; `columns` chooses and orders. Numbers have so many digits, however small.

    widest : column -> the width at which its words go on in the next line.
    """
    from tabulate import tabulate

    names = columns_of(rows) if columns is None else list(columns)
    cells = [[_table_cell(row.get(name), 2 if name in _ERRORS else digits) for name in names] for row in rows]
    limits = [(widest or {}).get(name) for name in names] if widest and rows else None
    return tabulate(cells, headers=names, tablefmt="simple", disable_numparse=True, maxcolwidths=limits)


def fitted_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], spare: Sequence[str], *, digits: int = 6
) -> str:
    """A table of at most 100 columns of text: those `spare` are left out, in this order, until it fits, and a last line
    names them."""
    shown, left = list(columns), [name for name in spare if name in columns]
    gone: list[str] = []
    table = to_table(rows, shown, digits=digits)
    while left and _width(table) > WIDTH:
        gone.append(left.pop(0))
        shown.remove(gone[-1])
        table = to_table(rows, shown, digits=digits)
    if not gone:
        return table
    return f"{table}\nleft out: {', '.join(name for name in columns if name in gone)}; --all shows all"


def parted_table(rows: Sequence[Mapping[str, Any]], keys: int = 1, *, digits: int = 6) -> str:
    """Every column in at most 100 columns of text: where they are too many for one table, several below each other,
    each of which begins with the first `keys` columns."""
    names = columns_of(rows)
    head = names[:keys]
    parts: list[list[str]] = [[]]
    for name in names[keys:]:
        if parts[-1] and _width(to_table(rows, [*head, *parts[-1], name], digits=digits)) > WIDTH:
            parts.append([])
        parts[-1].append(name)
    return "\n\n".join(to_table(rows, [*head, *part], digits=digits) for part in parts)


def _width(text: str) -> int:
    return max((len(line) for line in text.splitlines()), default=0)


def _table_cell(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return f"{number:.{digits}g}"
    return str(value)
