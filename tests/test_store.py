"""The result store: nothing that was finished is lost, nothing is computed twice, every fault is one clear line."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statmech_cl.provenance import code_version
from statmech_cl.store import Store, StoreError, point_key

_NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.booleans() | st.none()


def test_put_then_get_after_reopening(tmp_path: Path) -> None:
    row = {"eps_g": 0.1 + 0.2, "seeds": [1, 2], "status": "converged"}
    with Store(tmp_path / "deep" / "store.sqlite") as store:
        assert store.get("solve", {"alpha": 0.5}) is None
        assert store.put("solve", {"alpha": 0.5}, row) == row
    with Store(tmp_path / "deep" / "store.sqlite") as store:
        assert store.get("solve", {"alpha": 0.5}) == row
        assert store.get("solve", {"alpha": 0.6}) is None
        assert store.get("other", {"alpha": 0.5}) is None
        assert len(store) == 1


def test_other_version_of_the_code_is_not_found(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", version="1") as store:
        store.put("solve", {}, {"q": 1.0})
    with Store(tmp_path / "s.sqlite", version="2") as store:
        assert store.get("solve", {}) is None


def test_numpy_comes_back_as_plain_numbers(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        row = store.put("x", {"n": np.int64(3)}, {"a": np.float64(0.1), "b": np.arange(3), "c": np.bool_(True)})
        assert row == {"a": 0.1, "b": [0, 1, 2], "c": True}
        assert store.get("x", {"n": 3}) == row


def test_a_value_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(TypeError, match="got object"):
        store.put("x", {}, {"a": object()})


@given(st.dictionaries(st.text(max_size=4), _NUMBERS, max_size=4))
def test_rows_survive_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, row: dict[str, object]) -> None:
    with Store(tmp_path_factory.mktemp("store") / "s.sqlite") as store:
        store.put("x", {}, row)
        assert store.get("x", {}) == row


def test_key_ignores_the_order_of_parameters() -> None:
    assert point_key("k", {"a": 1, "b": 2.0}) == point_key("k", {"b": 2.0, "a": 1})
    assert point_key("k", {"a": 1}) != point_key("k", {"a": 2})


def test_code_version_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "some_module_of_this_test.py"
    module.write_text("a = 1\n")
    before = code_version("some_module_of_this_test")
    module.write_text("a = 2\n")
    assert code_version("some_module_of_this_test") != before
    assert code_version("statmech_cl.problem") == code_version("statmech_cl.problem")
    with pytest.raises(ValueError, match="module must be an importable module with source"):
        code_version("no_module_of_this_name")


def test_get_or_compute_computes_once(tmp_path: Path) -> None:
    calls = []

    def square(x: float) -> dict[str, float]:
        calls.append(x)
        return {"y": x * x}

    with Store(tmp_path / "s.sqlite") as store:
        assert store.get_or_compute("square", {"x": 3.0}, square) == {"y": 9.0}
        assert store.get_or_compute("square", {"x": 3.0}, square) == {"y": 9.0}
    assert calls == [3.0]


def test_a_failing_point_leaves_the_others(tmp_path: Path) -> None:
    def fail() -> dict[str, float]:
        raise RuntimeError("no luck")

    with Store(tmp_path / "s.sqlite") as store:
        store.put("x", {"n": 1}, {"q": 0.5})
        with pytest.raises(RuntimeError, match="no luck"):
            store.get_or_compute("fail", {}, fail)
        assert store.get("x", {"n": 1}) == {"q": 0.5}
        assert len(store) == 1


def test_killed_in_mid_write_keeps_the_finished_points(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    program = f"""
        from statmech_cl.store import Store
        store = Store({str(path)!r})
        n = 0
        while True:
            store.put("x", {{"n": n}}, {{"row": ["%d" % n] * 5000}})
            print(n, flush=True)
            n += 1
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(20):
        last = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    # A line cut off by the kill is not a reported point.
    last = max([last, *(int(text) for text in rest[:-1])])
    with Store(path) as store:
        assert len(store) in range(last + 1, last + 4)
        for n in range(len(store)):
            assert store.get("x", {"n": n}) == {"row": [str(n)] * 5000}


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look like one" * 50, b"x"])
def test_a_file_that_is_no_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"s\.sqlite: file is not a database; move it away and run again") as caught:
        Store(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_store(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        for n in range(200):
            store.put("x", {"n": n}, {"q": [n] * 100})
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 6] = os.urandom(4096 * 5)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="move it away and run again"):
        Store(path)


def test_a_database_of_something_else(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    connection.execute("CREATE TABLE points (x INTEGER)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="no such column"):
        Store(tmp_path / "s.sqlite")


def test_unwritable_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file" / "s.sqlite")
    with pytest.raises(StoreError, match="unable to open database file; choose a folder that can be written"):
        Store(tmp_path)


def test_read_only_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        store.put("x", {}, {"q": 1})
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write to read-only files")
    with pytest.raises(StoreError, match="choose a folder that can be written"):
        Store(path)


def test_disk_full_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    # SQLite's own limit on the number of pages answers exactly as a full disk does.
    with Store(tmp_path / "s.sqlite") as store:
        store.put("x", {"n": 0}, {"q": 1})
        store._connection.execute("PRAGMA max_page_count = 4")
        with pytest.raises(StoreError, match="full; finished points are kept; free some space and run again"):
            store.put("x", {"n": 1}, {"q": "x" * 100_000})
        assert store.get("x", {"n": 0}) == {"q": 1}
    with Store(tmp_path / "s.sqlite") as store:
        assert len(store) == 1


def test_a_full_file_system(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    from statmech_cl.output import write_atomic

    target = tmp_path / "old.txt"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(OSError, match=r"old\.txt cannot be written: No space left"),
    ):
        patch.setattr(os, "fsync", full)
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


@pytest.mark.parametrize("edited", ['{"eps_g":7.356}', "[1, 2]", "no json"])
def test_a_row_that_was_edited_is_refused(tmp_path: Path, edited: str) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.put("solve", {"alpha": 0.5}, {"eps_g": 0.3554333076})
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        connection.execute("UPDATE points SET row = ?", (edited,))
    connection.close()
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(StoreError) as caught:
        store.get("solve", {"alpha": 0.5})
    assert 'the row of solve at {"alpha":0.5} is not as it was written; move it away' in str(caught.value)


def test_a_store_without_checksums_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.sqlite") as connection:
        connection.execute(
            "CREATE TABLE points (key TEXT PRIMARY KEY, kind TEXT NOT NULL, parameters TEXT NOT NULL, "
            "version TEXT NOT NULL, row TEXT NOT NULL)"
        )
    connection.close()
    with Store(tmp_path / "s.sqlite") as store:
        store.put("solve", {}, {"q": 1.0})
        assert store.get("solve", {}) == {"q": 1.0}
