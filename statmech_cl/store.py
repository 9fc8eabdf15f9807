"""A result store: every finished point of a long computation is on disk at once, so that a killed run resumes.

One SQLite file, one transaction for each point (rollback journal, full sync): a crash loses the point under way and
nothing else. A point is keyed by a hash of (kind, parameters, version of the code); its row is a JSON object with a
checksum, so that a row that was edited or damaged is refused instead of served.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ._version import __version__

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS points "
    "(key TEXT PRIMARY KEY, kind TEXT NOT NULL, parameters TEXT NOT NULL, version TEXT NOT NULL, row TEXT NOT NULL, "
    "checksum TEXT NOT NULL DEFAULT '')"
)
_COLUMNS = "key, kind, parameters, version, row, checksum"
_LOCK_SECONDS = 60.0
_MAGIC = b"SQLite format 3\0"


class StoreError(RuntimeError):
    """The result store cannot be read or written. The message is one line and names the file."""


def _plain(value: object) -> object:
    """NumPy scalars and arrays as plain numbers and lists."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a stored value must be a number, string, bool, None, list or dict, got {type(value).__name__}")


def _json(value: object, *, sort_keys: bool) -> str:
    """JSON without spaces; floats read back to the same bits."""
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), default=_plain)


def point_key(kind: str, parameters: Mapping[str, Any], version: str = __version__) -> str:
    """sha256 of (kind, parameters, version); the order of the parameters does not matter."""
    return hashlib.sha256(_json([kind, dict(parameters), version], sort_keys=True).encode()).hexdigest()


def _checksum(key: str, row: str) -> str:
    """sha256 of a row under its key: neither may change without the other."""
    return hashlib.sha256(f"{key}\0{row}".encode()).hexdigest()


class Store:
    """Rows of finished points in the SQLite file `path`, which is made if missing. Use as a context manager.

    Parameters
    ----------
    path : the file; its folder is made if missing.
    version : version of the code that computes; points of another version are not found.

    Raises
    ------
    StoreError : the file cannot be opened, is not a result store, is damaged, or cannot be written.
    """

    def __init__(self, path: str | Path, *, version: str = __version__) -> None:
        self.path = Path(path)
        self.version = version
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"result store {self.path} cannot be made: {error.strerror}") from error
        try:
            # SQLite itself takes a file of a few stray bytes for an empty database and overwrites it.
            with self.path.open("rb") if self.path.is_file() else io.BytesIO() as file:
                if file.read(len(_MAGIC)) not in (b"", _MAGIC):
                    raise sqlite3.DatabaseError("file is not a database")
            self._connection = sqlite3.connect(self.path, timeout=_LOCK_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._explained(error) from error
        try:
            self._connection.execute("PRAGMA synchronous = FULL")
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            # IMMEDIATE takes the write lock: a read-only file or folder shows here, not after the first point.
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_SCHEMA)
            there = {row[1] for row in self._connection.execute("PRAGMA table_info(points)")}
            if "checksum" not in there and {"key", "row"} <= there:
                # a store of version 0.1: its rows have other keys and are never served
                self._connection.execute("ALTER TABLE points ADD COLUMN checksum TEXT NOT NULL DEFAULT ''")
            self._connection.execute("COMMIT")
            self._connection.execute(f"SELECT {_COLUMNS} FROM points LIMIT 0")
        except sqlite3.Error as error:
            self._connection.close()
            raise self._explained(error) from error

    def get(self, kind: str, parameters: Mapping[str, Any], *, version: str | None = None) -> dict[str, Any] | None:
        """The stored row of this point, or None where it has not been computed; `version` in place of the store's."""
        key = point_key(kind, parameters, version or self.version)
        try:
            kept = self._connection.execute("SELECT row, checksum FROM points WHERE key = ?", (key,)).fetchone()
            if kept is None:
                return None
            text, checksum = kept
            if checksum != _checksum(key, text):
                at = _json(dict(parameters), sort_keys=True)
                raise ValueError(f"the row of {kind} at {at} is not as it was written")
            row: dict[str, Any] = json.loads(text)
            return row
        except (sqlite3.Error, ValueError) as error:
            raise self._explained(error) from error

    def put(
        self, kind: str, parameters: Mapping[str, Any], row: Mapping[str, Any], *, version: str | None = None
    ) -> dict[str, Any]:
        """Write the row of a finished point, atomically; return it as it will be read back."""
        version = version or self.version
        text = _json(dict(row), sort_keys=False)
        key = point_key(kind, parameters, version)
        values = (key, kind, _json(dict(parameters), sort_keys=True), version, text, _checksum(key, text))
        try:
            self._connection.execute(f"INSERT OR REPLACE INTO points ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        return json.loads(text)

    def get_or_compute(
        self, kind: str, parameters: Mapping[str, Any], compute: Callable[..., Mapping[str, Any]]
    ) -> dict[str, Any]:
        """The stored row of this point, else `compute(**parameters)`, written before it is returned."""
        row = self.get(kind, parameters)
        return self.put(kind, parameters, compute(**parameters)) if row is None else row

    def __len__(self) -> int:
        try:
            return int(self._connection.execute("SELECT COUNT(*) FROM points").fetchone()[0])
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Close the file; every point written so far is already on disk."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _explained(self, error: Exception) -> StoreError:
        reason = " ".join(str(error).split())
        if "full" in reason:
            advice = "finished points are kept; free some space and run again"
        elif "locked" in reason:
            advice = "another run is writing to it; wait for it or choose another folder"
        elif "readonly" in reason or "unable to open" in reason:
            advice = "choose a folder that can be written"
        else:
            advice = "move it away and run again"
        return StoreError(f"result store {self.path}: {reason}; {advice}")
