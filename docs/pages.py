"""Write what the README, the gallery, the table of verdicts and the table of searched settings say: `make pages`.

`python docs/pages.py results/fig2b.json ...` first keeps the verdicts of these runs in docs/verdicts.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from statmech_cl.output import to_json
from statmech_cl.paper_repro import FIGURES

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "verdicts"
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
        "Theory | simulation (error) | z is printed by the command and shown in `report.html`.\n"
    ]
    for entry in FIGURES.values():
        picture = f"![{entry.id}](images/{entry.id}.png)\n\n" * (ROOT / f"docs/images/{entry.id}.png").is_file()
        parts.append(f"## {entry.id}: {entry.shows}\n\n{picture}`statmech-cl reproduce {entry.id}`\n")
    return "\n".join(parts)


def keep(path: Path) -> None:
    """Keep the verdict of one run, the JSON that `reproduce` wrote, in docs/verdicts; a note kept with it stays."""
    made = json.loads(path.read_text())
    kept = KEPT / f"{made['figure']}-{made['seed']}.json"
    note = json.loads(kept.read_text())["note"] if kept.is_file() else ""
    told = {
        **{name: made[name] for name in ("figure", "scale", "seed")},
        **{name: made["verdict"][name] for name in ("holds", "sentence")},
        "version": made["versions"]["statmech-cl"],
        "commit": (made["versions"]["commit"] or "")[:8],
        "note": note,
    }
    kept.write_text(to_json(told))


def _kept() -> list[dict[str, Any]]:
    """The verdicts in docs/verdicts, in the order of the figures, then of the seeds."""
    told = [json.loads(path.read_text()) for path in KEPT.glob("*.json")]
    order = list(FIGURES)
    return sorted(told, key=lambda verdict: (order.index(verdict["figure"]), verdict["seed"]))


def verdicts() -> str:
    """The table of verdicts: those that do not hold first, then those that do, then the figures without one."""
    kept = _kept()
    fallen = [verdict for verdict in kept if not verdict["holds"]]
    standing = [verdict for verdict in kept if verdict["holds"]]
    missing = [f"`{figure}`" for figure in FIGURES if figure not in {verdict["figure"] for verdict in kept}]
    parts = [
        "# Verdicts\n\nEvery figure ends in a verdict: does its claim hold, and why. The rules are in the code, and "
        "were there before\nthe runs that they judge ([when a verdict holds](simulations.md#when-a-verdict-holds))."
        "\n\n"
        "A verdict counts for the seed and the version that it names. The sentences are those of the runs. "
        f"{len(standing)} of\n{len(kept)} verdicts hold.\n",
        "## Do not hold\n\n" + (_verdict_table(fallen) if fallen else "None.\n"),
        "## Hold\n\n" + _verdict_table(standing),
    ]
    if missing:
        parts.append(
            "## Not judged here\n\nNo run of these figures is kept; their commands make the verdict: "
            f"{', '.join(missing)}.\n"
        )
    return "\n".join(parts)


def searched() -> str:
    """Every setting that the search of the deep methods tried, the best of each method first: docs/search/*.csv, from
    `statmech-cl search` and, at full length, from `statmech-cl benchmark --validation`."""
    with (ROOT / "docs" / "search" / "permuted-mnist.csv").open() as file:
        rows = list(csv.DictReader(file))
    hours = sum(float(row["seconds"]) for row in rows) / 3600.0
    parts = [
        "# Settings that were searched\n\nWhat `statmech-cl search permuted-mnist` tried for each method of "
        "[deep networks](deep-networks.md#one-search-at-equal-care),\nits best setting first. Options that are not "
        "named have their defaults. Five permuted tasks, 784-512-512-10, batches of 64,\nseed 0, permutations of "
        "seed 1000, judged on 2,000 held-out training images: sign weights of binary methods. Short is\n120 batches "
        "per task, middle 500, full 5 epochs of 500. "
        f"{len(rows)} runs, {hours:.1f} hours of training on one busy core.\n"
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        parts.append(f"## {method}\n\n| setting | length | average | just learned |\n|---|---|---|---|")
        mine = [row for row in rows if row["method"] == method]
        for row in sorted(mine, key=lambda row: (row["length"], -float(row["average"]))):
            parts.append(f"| `{row['setting']}` | {row['length']} | {row['average']} | {row['learned']} |")
        parts.append("")
    return "\n".join(parts)


def _verdict_table(kept: list[dict[str, Any]]) -> str:
    lines = ["| figure | seed | scale | verdict | version, commit |", "|---|---|---|---|---|"]
    for told in kept:
        sentence = f"{told['sentence']} *{told['note']}*" if told["note"] else told["sentence"]
        cells = [told["figure"], told["seed"], told["scale"], sentence.replace("|", "\\|")]
        made = f"{told['version']}, {told['commit']}" if told["commit"] else told["version"]
        lines.append("| " + " | ".join(map(str, [*cells, made])) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for given in sys.argv[1:]:
        keep(Path(given))
    (ROOT / "README.md").write_text(readme())
    (ROOT / "docs" / "gallery.md").write_text(gallery())
    (ROOT / "docs" / "verdicts.md").write_text(verdicts())
    (ROOT / "docs" / "deep-search.md").write_text(searched())
