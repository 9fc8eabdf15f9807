"""MNIST and Fashion-MNIST from IDX files: found, checked, fetched; a subset of each ships with the package.

A dataset is looked for in `data_dir`, then in the folder named by STATMECH_CL_DATA, then in the user's cache, and last
in the embedded subset of 10,000 training and 2,000 test images. What was read is checked against the published content.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import struct
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from statmech_cl.validation import check_choice

DATASETS = ("mnist", "fashion-mnist")
ENVIRONMENT = "STATMECH_CL_DATA"
SUFFIXES = ("", ".gz", ".xz")
FILES = {
    "train_x": "train-images-idx3-ubyte",
    "train_y": "train-labels-idx1-ubyte",
    "test_x": "t10k-images-idx3-ubyte",
    "test_y": "t10k-labels-idx1-ubyte",
}
# Other programs keep the same files under these names; a folder laid out for them is understood.
FOLDERS = {"mnist": ("mnist", "MNIST/raw"), "fashion-mnist": ("fashion-mnist", "FashionMNIST/raw")}
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}
# SHA-256 of the decompressed files as published: 60,000 training and 10,000 test images.
FULL = {
    "mnist": {
        "train_x": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train_y": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test_x": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test_y": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train_x": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train_y": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test_x": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test_y": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
# The same of the embedded subset: the first 10,000 and 2,000 of each.
EMBEDDED = {
    "mnist": {
        "train_x": "2889698e6bc3614913e76901316712919d1998fc2b44512451bfe65bc1e668b1",
        "train_y": "651e38e2ac0632f5113ec18f1df4977117f953197819034009971a6675a0df78",
        "test_x": "3f6bd66dee48df299584c67669bceee490faa25f931496bd7473b42106d7daed",
        "test_y": "7b098e5f6a3065807cebeabf36fb1724a8aff19f2673ac08b4923e0e8c715bce",
    },
    "fashion-mnist": {
        "train_x": "ed2e37ed5a3a57d212141a69fe0a0de5a7126ffba14ac3f7e76f5f52cc04b1f0",
        "train_y": "a69f2dad024ca220a8c4d85f621fdf929042d40c444abde2868903e9220ad517",
        "test_x": "862035b0a96959b614c9574f4c2b0ae9584ca234813e8d6d7adb7838b12ca46b",
        "test_y": "aa3f574d30afaf0d4d9da084a6f8541771e20693d6a97fae6e9a4953fca8f078",
    },
}
_EMBEDDED_FOLDER = Path(__file__).parent / "data"
_MAGIC = {3: 0x0803, 1: 0x0801}  # unsigned bytes in three dimensions (images) and in one (labels)
_TIMEOUT = 30.0


class DatasetError(ValueError):
    """A data file is missing, truncated, corrupt or another one: one line with file, expected, found."""


@dataclass(frozen=True)
class Dataset:
    """Images and labels, as stored.

    Attributes
    ----------
    train_x, test_x : (n, 28, 28) uint8.
    train_y, test_y : (n,) uint8, in 0..9.
    source : where they came from, for people.
    """

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    source: str

    def __str__(self) -> str:
        return f"{self.name}: {len(self.train_y)} training and {len(self.test_y)} test images from {self.source}"


def cache_folder() -> Path:
    """The user's cache of fetched data: $XDG_CACHE_HOME/statmech-cl, by default ~/.cache/statmech-cl."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "statmech-cl"


def read_idx(path: str | Path, ndim: int, sha256: str | None = None) -> np.ndarray:
    """The uint8 array in an IDX file, plain, gzipped (.gz) or xz-compressed (.xz), by its suffix.

    Raises
    ------
    DatasetError : the stream is truncated or corrupt, the magic number, the size or the checksum (of the decompressed
        content) is another one; one line with the file, what was expected and what was found.
    """
    path = Path(path)
    return _parse_idx(path, _content(path), ndim, sha256)


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            return gzip.decompress(data)
        return lzma.decompress(data) if path.suffix == ".xz" else data
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        kind = "gzip" if path.suffix == ".gz" else "xz"
        flaw = "a truncated one" if isinstance(error, EOFError) else f"a corrupt one ({error})"
        raise DatasetError(f"{path}: expected a whole {kind} stream, found {flaw} of {len(data)} bytes") from None
    except OSError as error:
        raise DatasetError(f"{path}: expected a readable file, found {error.strerror}") from None


def _parse_idx(path: Path, content: bytes, ndim: int, sha256: str | None) -> np.ndarray:
    header = 4 + 4 * ndim
    if len(content) < header:
        raise DatasetError(f"{path}: expected an IDX header of {header} bytes, found {len(content)} bytes")
    magic, *shape = struct.unpack(f">{1 + ndim}I", content[:header])
    if magic != _MAGIC[ndim]:
        what = "images" if ndim == 3 else "labels"
        raise DatasetError(f"{path}: expected magic number 0x{_MAGIC[ndim]:08x} ({what}), found 0x{magic:08x}")
    size = header + int(np.prod(shape, dtype=np.int64))
    if len(content) != size:
        extent = "x".join(map(str, shape))
        raise DatasetError(f"{path}: expected {size} bytes for {extent} items, found {len(content)}")
    if sha256 is not None and (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise DatasetError(f"{path}: expected content of sha256 {sha256}, found {digest}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _locate(name: str, root: Path) -> dict[str, Path] | None:
    """The four files of a dataset under `root`, or None where there is none of them."""
    for folder in (root / sub for sub in FOLDERS[name]):
        paths = {
            part: next((p for s in SUFFIXES if (p := folder / (file + s)).is_file()), None)
            for part, file in FILES.items()
        }
        present = {part: path for part, path in paths.items() if path is not None}
        if len(present) == len(FILES):
            return present
        if present:
            missing = ", ".join(FILES[part] for part in FILES if part not in present)
            raise DatasetError(f"{folder}: expected the four files of {name}, found no {missing} (plain, .gz or .xz)")
    return None


def _read(name: str, paths: dict[str, Path], sums: dict[str, str], source: str) -> Dataset:
    arrays = {part: read_idx(paths[part], 3 if part.endswith("x") else 1, sums[part]) for part in FILES}
    return Dataset(name=name, source=source, **arrays)


def find(name: str, data_dir: str | Path | None = None, *, subset: bool = False) -> tuple[dict[str, Path], bool]:
    """The four files of dataset `name`, and whether they are the whole set (False: the embedded subset).

    `subset` asks for the embedded subset whatever else there is: the same numbers on every machine.

    Raises
    ------
    DatasetError : a folder that was asked for does not exist, `data_dir` does not hold the dataset, or both are given.
    """
    check_choice("dataset", name, DATASETS)
    places: list[tuple[str, Path]] = []
    if subset and data_dir is not None:
        raise DatasetError(f"data_dir must not be given with subset, which reads no folder, got {str(data_dir)!r}")
    if subset:
        return _embedded(name), False
    if data_dir is not None:
        places.append(("data_dir", Path(data_dir)))
    elif os.environ.get(ENVIRONMENT):
        places.append((ENVIRONMENT, Path(os.environ[ENVIRONMENT])))
    for label, root in places:
        if not root.is_dir():
            raise DatasetError(f"{label} must name a folder that exists, got {str(root)!r}")
    for root in [*(root for _, root in places), *([] if data_dir is not None else [cache_folder()])]:
        paths = _locate(name, root)
        if paths is not None:
            return paths, True
    if data_dir is not None:
        raise DatasetError(f"{data_dir}: expected {name}/{FILES['train_x']}[.gz] and three more, found no {name} there")
    return _embedded(name), False


def _embedded(name: str) -> dict[str, Path]:
    paths = _locate(name, _EMBEDDED_FOLDER)
    if paths is None:
        raise DatasetError(f"{_EMBEDDED_FOLDER}: expected the embedded subset of {name}, found none; install again")
    return paths


def load(name: str, data_dir: str | Path | None = None, *, subset: bool = False) -> Dataset:
    """Dataset "mnist" or "fashion-mnist": from `data_dir`, STATMECH_CL_DATA, the cache, or the embedded subset.

    `data_dir` is binding: where it lacks the dataset that is an error, while the other places are passed over.
    `subset` asks for the embedded subset whatever else there is.

    Raises
    ------
    DatasetError : a file is truncated, corrupt or another one, or `data_dir` does not hold the dataset.
    ValueError : unknown `name`.
    """
    paths, complete = find(name, data_dir, subset=subset)
    if complete:
        return _read(name, paths, FULL[name], str(paths["train_x"].parent))
    return _read(name, paths, EMBEDDED[name], "the embedded subset")


def fetch(
    name: str,
    data_dir: str | Path | None = None,
    *,
    mirrors: Sequence[str] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """Download the four files of dataset `name` into `data_dir` (default: the cache) and return their folder.

    Every file is checked (sha256 of the decompressed content) before it takes its name; files that are there already
    and pass are kept. `mirrors` are the base URLs to try in turn; `report` is told about each file.

    Raises
    ------
    DatasetError : no mirror gave the right file; one line with every mirror's failure.
    """
    check_choice("dataset", name, DATASETS)
    folder = (cache_folder() if data_dir is None else Path(data_dir)) / FOLDERS[name][0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{folder}: expected a folder that can be made, found {error.strerror}") from None
    for part, file in FILES.items():
        target = folder / f"{file}.gz"
        ndim = 3 if part.endswith("x") else 1
        if target.is_file():
            try:
                read_idx(target, ndim, FULL[name][part])
                report(f"{target}: already there")
                continue
            except DatasetError as error:
                report(f"{error}; fetching it again")
        failures = []
        for base in MIRRORS[name] if mirrors is None else mirrors:
            url = f"{base.rstrip('/')}/{file}.gz"
            failure = _download(url, target, ndim, FULL[name][part])
            if failure is None:
                report(f"{target}: {target.stat().st_size} bytes from {url}")
                break
            failures.append(failure)
        else:
            raise DatasetError(f"{target}: expected a copy from a mirror, found " + "; ".join(failures))
    return folder


def _download(url: str, target: Path, ndim: int, sha256: str) -> str | None:
    """Fetch `url` to `target`, all or nothing; None when that went well, else what went wrong."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            data = response.read()
    except (OSError, ValueError, EOFError) as error:  # URLError and time-outs are OSErrors
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return f"{url}: {' '.join(str(reason).split())}"
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".gz")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        read_idx(temporary, ndim, sha256)
        os.replace(temporary, target)
    except DatasetError as error:
        os.unlink(temporary)
        return str(error).replace(temporary, url)
    except BaseException:
        os.unlink(temporary)
        raise
    return None
