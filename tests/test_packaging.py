"""What a reader meets first: the wheel's content, the metadata, the figures' table."""

from __future__ import annotations

import configparser
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import statmech_cl

ROOT = Path(__file__).parent.parent


def test_readme_and_gallery_show_every_figure() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "pages.py"))
    assert (ROOT / "README.md").read_text() == pages["readme"](), "run `make pages`"
    assert (ROOT / "docs" / "gallery.md").read_text() == pages["gallery"](), "run `make pages`"


def test_every_package_with_code_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = set(setup["options"]["packages"].split())
    folders = {"statmech_cl": ROOT / "statmech_cl"}
    folders |= {f"statmech_cl.{name}": ROOT / name for name in ("simulations", "figures", "paper_repro", "explore")}
    for name, folder in folders.items():
        for init in folder.rglob("__init__.py"):
            assert ".".join([name, *init.parent.relative_to(folder).parts]) in named


def test_pins_cover_what_is_installed() -> None:
    pins = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = setup["options"]["install_requires"].splitlines()
    for extra in setup["options.extras_require"].values():
        wanted += extra.splitlines()
    names = {re.split(r"[<>=\[; ]", line)[0] for line in wanted if line.strip()}
    assert names and {name.lower().replace("_", "-") for name in names} <= pins
    assert not [name for name in pins if name.startswith(("nvidia", "triton", "cuda"))]


def test_citation_and_version_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {statmech_cl.__version__}" in citation and "2212.02846" in citation
    assert f"## {statmech_cl.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_the_wheel_holds_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"statmech_cl/py.typed", "statmech_cl/figures/statmech_cl.mplstyle"} <= names
    for room in ("simulations", "figures", "paper_repro", "explore", "statmech_cl"):
        inside = "statmech_cl" if room == "statmech_cl" else f"statmech_cl/{room}"
        for path in (ROOT / room).rglob("*.py"):
            assert f"{inside}/{path.relative_to(ROOT / room)}" in names
