"""What a reader meets first: the wheel's content, the metadata, the figures' table."""

from __future__ import annotations

import configparser
import json
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


def test_the_table_of_searched_settings_is_that_of_the_search() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "pages.py"))
    assert (ROOT / "docs" / "deep-search.md").read_text() == pages["searched"](), "run `make pages`"


def test_the_table_of_verdicts_shows_every_kept_one_and_its_failures() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "pages.py"))
    table = (ROOT / "docs" / "verdicts.md").read_text()
    assert table == pages["verdicts"](), "run `make pages`"
    kept = [json.loads(path.read_text()) for path in (ROOT / "docs" / "verdicts").glob("*.json")]
    failed, held = table.split("## Hold\n")
    assert kept
    for verdict in kept:
        row = f"| {verdict['figure']} | {verdict['seed']} |"
        sentence = verdict["sentence"].replace("|", r"\|")  # a bar would end the cell
        assert row in (held if verdict["holds"] else failed) and sentence in table


def test_a_run_s_verdict_is_kept_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "pages.py"))
    keep = pages["keep"]
    monkeypatch.setitem(keep.__globals__, "KEPT", tmp_path)
    verdict = {"holds": False, "sentence": "Five of nine.", "rows": []}
    made = {"figure": "fig2b", "scale": "quick", "seed": 3, "verdict": verdict}
    made["versions"] = {"statmech-cl": "0.2.0", "commit": "0123456789"}
    (tmp_path / "run").write_text(json.dumps(made))
    keep(tmp_path / "run")
    told = json.loads((tmp_path / "fig2b-3.json").read_text())
    assert told["holds"] is False and told["sentence"] == "Five of nine." and told["commit"] == "01234567"


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
