"""Images: found, checked, fetched, embedded."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import lzma
import os
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from statmech_cl.simulations.deep import datasets
from statmech_cl.simulations.deep.datasets import DatasetError, read_idx

IMAGES = struct.pack(">4I", 0x803, 3, 2, 2) + bytes(range(12))
TRUNCATED = gzip.compress(IMAGES, mtime=0)[:-9]  # the name of a test holds it: it may not depend on the clock
# Read before the fixture below hides it from the code under test.
WHOLE_SET = os.environ.get("STATMECH_CL_DATA")
LABELS = struct.pack(">2I", 0x801, 3) + bytes([7, 0, 9])


@pytest.fixture(autouse=True)
def _no_data_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATMECH_CL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_idx_is_read_whatever_its_compression(tmp_path: Path, suffix: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix]
    (tmp_path / f"images{suffix}").write_bytes(pack(IMAGES))
    (tmp_path / f"labels{suffix}").write_bytes(pack(LABELS))
    images = read_idx(tmp_path / f"images{suffix}", 3)
    assert images.dtype == np.uint8
    assert images.tolist() == np.arange(12).reshape(3, 2, 2).tolist()
    assert read_idx(tmp_path / f"labels{suffix}", 1).tolist() == [7, 0, 9]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.gz", TRUNCATED, "expected a whole gzip stream, found a truncated one of 33 bytes"),
        ("a.xz", lzma.compress(IMAGES)[:-9], "expected a whole xz stream, found a corrupt one"),
        ("a.gz", b"<html>404</html>", r"expected a whole gzip stream, found a corrupt one \(Not a gzipped file"),
        ("a", IMAGES[:-1], "expected 28 bytes for 3x2x2 items, found 27"),
        ("a", IMAGES + b"0", "expected 28 bytes for 3x2x2 items, found 29"),
        ("a", IMAGES[:7], "expected an IDX header of 16 bytes, found 7 bytes"),
        ("a", LABELS + bytes(9), r"expected magic number 0x00000803 \(images\), found 0x00000801"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_idx(path, 3)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    damaged = bytearray(gzip.compress(IMAGES))
    damaged[15] ^= 0x10
    (tmp_path / "a.gz").write_bytes(damaged)
    with pytest.raises(DatasetError, match=r"expected a whole gzip stream, found a corrupt one \("):
        read_idx(tmp_path / "a.gz", 3)
    (tmp_path / "b").write_bytes(IMAGES[:-1] + b"x")
    right = hashlib.sha256(IMAGES).hexdigest()
    with pytest.raises(DatasetError, match=f"expected content of sha256 {right}, found [0-9a-f]{{64}}"):
        read_idx(tmp_path / "b", 3, right)


def test_embedded_subset_is_small_complete_and_licensed() -> None:
    folder = Path(datasets.__file__).parent / "data"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 6 * 2**20
    licences = (folder / "LICENSES.md").read_text()
    assert "CC BY-SA 3.0" in licences
    assert "MIT License" in licences
    for name in datasets.DATASETS:
        data = datasets.load(name)
        assert (data.train_x.shape, data.test_x.shape) == ((10000, 28, 28), (2000, 28, 28))
        assert (data.train_y.shape, data.test_y.shape) == ((10000,), (2000,))
        for labels in (data.train_y, data.test_y):
            counts = np.bincount(labels, minlength=10)
            assert len(counts) == 10
            assert counts.min() > 0.08 * len(labels)
        assert str(data) == f"{name}: 10000 training and 2000 test images from the embedded subset"


@pytest.mark.skipif(not WHOLE_SET, reason="STATMECH_CL_DATA names no folder with the whole MNIST and Fashion-MNIST")
def test_embedded_subset_is_the_beginning_of_the_whole_set() -> None:
    for name in datasets.DATASETS:
        small, whole = datasets.load(name), datasets.load(name, WHOLE_SET)
        assert len(whole.train_y) == 60000
        for part in datasets.FILES:
            short = getattr(small, part)
            assert np.array_equal(short, getattr(whole, part)[: len(short)])


def test_another_file_under_the_right_name_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, file in datasets.FILES.items():
        (folder / file).write_bytes(IMAGES if part.endswith("x") else LABELS)
    with pytest.raises(DatasetError, match="train-images-idx3-ubyte: expected content of sha256 ba89"):
        datasets.load("mnist", tmp_path)
    (folder / datasets.FILES["test_y"]).unlink()
    with pytest.raises(DatasetError, match="expected the four files of mnist, found no t10k-labels-idx1-ubyte"):
        datasets.load("mnist", tmp_path)


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lay(root: Path) -> None:
        (root / "mnist").mkdir(parents=True)
        for file in datasets.FILES.values():
            (root / "mnist" / file).write_bytes(b"")

    def place(data_dir: Path | None = None, **options: bool) -> Path:
        return datasets.find("mnist", data_dir, **options)[0]["train_x"].parent.parent

    assert "data" in place().name
    lay(datasets.cache_folder())
    assert place() == datasets.cache_folder()
    lay(tmp_path / "environment")
    monkeypatch.setenv("STATMECH_CL_DATA", str(tmp_path / "environment"))
    assert place() == tmp_path / "environment"
    lay(tmp_path / "given")
    assert place(tmp_path / "given") == tmp_path / "given"
    assert not datasets.find("mnist", subset=True)[1]
    with pytest.raises(datasets.DatasetError, match="data_dir must not be given with subset"):
        datasets.find("mnist", tmp_path, subset=True)
    assert not datasets.find("fashion-mnist")[1]
    with pytest.raises(DatasetError, match="expected fashion-mnist/train-images-idx3-ubyte"):
        datasets.find("fashion-mnist", tmp_path / "given")


@pytest.mark.parametrize("label", ["data_dir", "STATMECH_CL_DATA"])
def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    missing = tmp_path / "missing"
    if label == "STATMECH_CL_DATA":
        monkeypatch.setenv(label, str(missing))
    line = f"{label} must name a folder that exists, got '{missing}'"
    with pytest.raises(DatasetError, match=f"^{re.escape(line)}$"):
        datasets.load("mnist", missing if label == "data_dir" else None)


def test_unknown_dataset() -> None:
    with pytest.raises(ValueError, match="did you mean 'mnist'"):
        datasets.load("mnits")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server with three-image stand-ins for the four files, whose sums are taken for the published ones."""
    served = tmp_path / "served"
    served.mkdir()
    sums = {}
    for part, file in datasets.FILES.items():
        content = IMAGES if part.endswith("x") else LABELS
        (served / f"{file}.gz").write_bytes(gzip.compress(content))
        sums[part] = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(datasets.FULL, "mnist", sums)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def test_fetch_tries_the_mirrors_in_turn_and_keeps_what_is_right(tmp_path: Path, mirror: str) -> None:
    lines: list[str] = []
    missing = (tmp_path / "nowhere").as_uri()
    folder = datasets.fetch("mnist", mirrors=[missing, mirror], report=lines.append)
    assert folder == datasets.cache_folder() / "mnist"
    assert len(lines) == 4
    assert datasets.load("mnist").train_y.tolist() == [7, 0, 9]
    lines.clear()
    datasets.fetch("mnist", mirrors=[missing], report=lines.append)
    assert [line.endswith("already there") for line in lines] == [True] * 4
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    lines.clear()
    datasets.fetch("mnist", mirrors=[mirror], report=lines.append)
    assert lines[0].endswith("fetching it again")
    assert len(datasets.load("mnist").train_x) == 3
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{file}.gz" for file in datasets.FILES.values())


def test_fetch_refuses_a_wrong_copy_and_leaves_nothing_behind(tmp_path: Path, mirror: str) -> None:
    (tmp_path / "served" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(IMAGES[:-1] + b"x"))
    with pytest.raises(DatasetError, match=r"ubyte\.gz: expected content of sha256 .* found ") as caught:
        datasets.fetch("mnist", tmp_path / "to", mirrors=[mirror, mirror + "missing"])
    assert "File not found" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "to" / "mnist").iterdir()) == []
