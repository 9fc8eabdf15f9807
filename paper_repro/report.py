"""report.html: every reproduced figure of a folder on one self-contained page (pictures inline, nothing fetched)."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statmech_cl.estimate import Estimate
from statmech_cl.output import write_atomic

from .scores import draw, said, scores
from .table import FIGURES

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #007a55; --bad: #b3400b; }
@media (prefers-color-scheme: dark) { :root { --good: #3ec99b; --bad: #ff9350; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .3rem; }
img { display: block; width: 100%; max-width: 44rem; height: auto; background: #fff; border-radius: 4px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .6rem 0; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.text { white-space: normal; }
.good { color: var(--good); } .bad { color: var(--bad); } .good, .bad { font-weight: 600; }
.apart { opacity: .6; }
@media (max-width: 45rem) {
  body { padding: .7rem; } h2 { overflow-wrap: anywhere; }
  /* A row of a verdict: what, then the numbers side by side, then the note; nothing to be scrolled sideways. */
  .verdict tr { display: flex; flex-wrap: wrap; column-gap: .9rem; padding: .3rem 0; }
  .verdict tr { border-bottom: 1px solid var(--line); }
  .verdict tr:first-child { display: none; }
  .verdict td { border: 0; padding: 0; white-space: normal; } .verdict td:empty { display: none; }
  .verdict td:first-child, .verdict td:last-child { flex-basis: 100%; } .verdict td:first-child { font-weight: 600; }
  .verdict td[data-name]::before { content: attr(data-name) " "; opacity: .6; }
  .overview .shows { display: none; }
}
summary { cursor: pointer; } pre { overflow-x: auto; font-size: .8rem; }
"""
_NAMES = ("", "theory", "simulation", "z", "")  # columns of a verdict


def write_report(folder: Path, failures: Mapping[str, str]) -> Path:
    """Write `folder`/report.html from the files of the figures in `folder`; `failures` maps ids to what went wrong."""
    records = {figure: _record(folder, figure) for figure in FIGURES if figure not in failures}
    made = {figure: record for figure, record in records.items() if record is not None}
    sections = [_section(folder, figure, record) for figure, record in made.items()]
    sections += [_failed(figure, message) for figure, message in failures.items()]
    page = "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>statmech-cl: figures reproduced</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            "<h1>Statistical mechanics of continual learning: figures reproduced</h1>",
            "<p>Phys. Rev. E 108, 014309 (2023). Theory beside simulation; errors are standard errors, "
            "z = (simulation - theory) / error. Pale rows are not judged: there the theory does not claim to hold.</p>",
            f"<p>{_standing(made, failures)}</p>",
            _summary(made, failures),
            _scores(made),
            *sections,
            "</body>\n</html>\n",
        ]
    )
    path = folder / "report.html"
    write_atomic(path, page)
    return path


def _record(folder: Path, figure: str) -> dict[str, Any] | None:
    """What the runner wrote about a figure, None where it was not made."""
    if not (folder / f"{figure}.json").is_file():
        return None
    record: dict[str, Any] = json.loads((folder / f"{figure}.json").read_text())
    return {**record, "run": json.loads((folder / f"{figure}.run.json").read_text())}


def _summary(made: Mapping[str, Mapping[str, Any]], failures: Mapping[str, str]) -> str:
    """The figures one a line, folded away, and the names of those that were not made."""
    rows, missing = [], []
    for figure, entry in FIGURES.items():
        if figure in failures:
            word, time = '<td class="bad">failed</td>', ""
        elif figure in made:
            word, time = f"<td>{_word(made[figure]['verdict']['holds'])}</td>", _time(made[figure])
        else:
            missing.append(figure)
            continue
        shows = f'<td class="text shows">{html.escape(entry.shows)}</td>'
        rows.append(f"<tr><td>{_link(figure)}</td>{word}<td>{time}</td>{shows}</tr>")
    head = '<tr><th>figure</th><th>verdict</th><th>time</th><th class="shows">shows</th></tr>'
    lines = [
        f"<details><summary>overview of {len(rows)} figures</summary>",
        f'<div class="wide"><table class="overview">{head}{"".join(rows)}</table></div>',
        "<p><small>Times are those of the last run; points that were stored take none.</small></p></details>",
    ]
    return "\n".join(lines) + (f"\n<p><small>Not made: {', '.join(missing)}.</small></p>" if missing else "")


def _scores(made: Mapping[str, Mapping[str, Any]]) -> str:
    """z of all judged rows as one picture."""
    from statmech_cl.figures import rendered, style

    z = scores(made.values())
    if not z:
        return ""
    with style():
        picture = base64.b64encode(rendered(draw(z), "png")).decode()
    return (
        f"<details><summary>z of all figures</summary>\n<p>{said(z)}</p>\n"
        f'<img alt="histogram of z" src="data:image/png;base64,{picture}">\n</details>'
    )


def _link(figure: str) -> str:
    return f'<a href="#{figure}">{figure}</a>'


def _standing(made: Mapping[str, Mapping[str, Any]], failures: Mapping[str, str]) -> str:
    """How many verdicts hold, and links to those that do not; the same words as on the command line."""
    standing = sum(record["verdict"]["holds"] for record in made.values())
    fallen = [name for name in FIGURES if name in failures or (name in made and not made[name]["verdict"]["holds"])]
    said = f"{standing} of {len(made) + len(failures)} verdicts hold"
    return said + (f"; not those of {', '.join(map(_link, fallen))}." if fallen else ".")


def _word(holds: bool) -> str:
    return '<span class="good">holds</span>' if holds else '<span class="bad">does not hold</span>'


def _time(record: Mapping[str, Any]) -> str:
    seconds = record["run"]["seconds"]
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _section(folder: Path, figure: str, record: Mapping[str, Any]) -> str:
    picture = base64.b64encode((folder / f"{figure}.png").read_bytes()).decode()
    verdict, versions, run = record["verdict"], record["versions"], record["run"]
    about = " · ".join(
        [
            f"scale {record['scale']}",
            f"seed {record['seed']}",
            f"device {record['device']}",
            _time(record),
            f"finished {run['finished']}",
            f"version {versions['statmech-cl']}",
            f"commit {versions['commit'] or 'none (installed package)'}",
        ]
    )
    details = json.dumps({"parameters": record["parameters"], "versions": versions, "run": run}, indent=2)
    return f"""<section id="{figure}">
<h2>{figure}: {html.escape(FIGURES[figure].shows)}</h2>
<p>{_word(verdict["holds"])}: {html.escape(verdict["sentence"])}</p>
<img alt="{figure}: {html.escape(FIGURES[figure].shows)}" src="data:image/png;base64,{picture}">
{_rows(verdict["rows"])}
<p><small>{html.escape(about)}</small></p>
<details><summary>parameters and versions</summary><pre>{html.escape(details)}</pre></details>
</section>"""


def _cell(name: str, text: str) -> str:
    """A cell; on a narrow page, where the head of the table is not shown, it says its column's name itself."""
    named = f' data-name="{name}"' if name else ""
    return f"<td{named}>{html.escape(text)}</td>"


def _rows(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        simulation = ""
        if row["simulation"] is not None:
            simulation = str(Estimate(row["simulation"], row["error"], row["n"]))
        cells = [
            row["what"],
            "" if row["theory"] is None else f"{row['theory']:.6g}",
            simulation,
            "" if row["z"] is None else f"{row['z']:+.1f}",
            row["note"],
        ]
        # Where the theory does not claim to hold, a row is shown and not judged.
        kind = "" if row.get("judged", True) else ' class="apart"'
        lines.append(f"<tr{kind}>" + "".join(map(_cell, _NAMES, cells)) + "</tr>")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in _NAMES) + "</tr>"
    return f'<div class="wide"><table class="verdict">{head}{"".join(lines)}</table></div>'


def _failed(figure: str, message: str) -> str:
    return f"""<section id="{figure}">
<h2>{figure}: {html.escape(FIGURES[figure].shows)}</h2>
<p><span class="bad">failed</span>: {html.escape(message)}</p>
</section>"""
