"""Write what the README and the gallery say about the figures from their table: `make pages`."""

from __future__ import annotations

import re
from pathlib import Path

from statmech_cl.paper_repro import FIGURES

ROOT = Path(__file__).parent.parent
_TABLE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.S)


def readme() -> str:
    """The README with the table figure | shows | command | time brought up to date."""
    lines = ["| figure | shows | command | quick |", "|---|---|---|---|"]
    for entry in FIGURES.values():
        lines.append(f"| {entry.id} | {entry.shows} | `statmech-cl reproduce {entry.id}` | {entry.quick} |")
    return _TABLE.sub(lambda _: "\n".join(lines) + "\n", (ROOT / "README.md").read_text())


def gallery() -> str:
    """The gallery: every figure with its command and, where docs/images has one, its picture."""
    parts = [
        "# Gallery\n\nEvery figure at scale quick, as its command draws it; `--scale paper` uses the paper's sizes.\n"
        "Theory | simulation (error) | z is printed by the command and stands in `report.html`.\n"
    ]
    for entry in FIGURES.values():
        picture = f"![{entry.id}](images/{entry.id}.png)\n\n" * (ROOT / f"docs/images/{entry.id}.png").is_file()
        parts.append(f"## {entry.id}: {entry.shows}\n\n{picture}`statmech-cl reproduce {entry.id}`\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(readme())
    (ROOT / "docs" / "gallery.md").write_text(gallery())
