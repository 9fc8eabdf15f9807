"""Formulas of the site, typeset while it is built: its pages carry the result, so that they need no script and no net.

KaTeX and the shim that lets search work without a server come from npm, pinned in package.json, into build/typeset
(`make docs`). The site carries KaTeX's style, its fonts and both licences. A formula that is no TeX stops the build.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FOUND = ROOT / "build" / "typeset"
_KATEX = FOUND / "node_modules" / "katex"
_SHIM = FOUND / "node_modules" / "iframe-worker"
_DISPLAYED = re.compile(r"^\$\$\n.*?^\$\$$", re.M | re.S)
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_INDEXED = re.compile(r"\\\\([(\[])(.*?)\\\\[)\]]")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)


def on_config(config: Any) -> Any:
    """The shim stands first among the scripts, the style last among the sheets."""
    if not (_KATEX / "dist").is_dir() or not _SHIM.is_dir():
        raise PluginError(f"KaTeX is missing in {FOUND}; build the site with: make docs")
    config.extra["polyfills"] = ["vendor/iframe-worker.js"]
    config.extra_css.append("vendor/katex.min.css")
    return config


def on_files(files: Any, config: Any) -> Any:
    """Style, fonts, shim and licences as files of the site."""
    style = (_KATEX / "dist" / "katex.min.css").read_text()
    # Every browser of the last ten years reads woff2; the other two forms of each font stay out.
    style = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\(\"[a-z]+\"\)", "", style)
    files.append(File.generated(config, "vendor/katex.min.css", content=style))
    for font in sorted((_KATEX / "dist" / "fonts").glob("*.woff2")):
        files.append(File.generated(config, f"vendor/fonts/{font.name}", abs_src_path=str(font)))
    for name, source in (
        ("iframe-worker.js", _SHIM / "shim" / "index.js"),
        ("LICENSE-KaTeX.txt", _KATEX / "LICENSE"),
        ("LICENSE-iframe-worker.txt", _SHIM / "LICENSE"),
    ):
        files.append(File.generated(config, f"vendor/{name}", abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    r"""An anchor `eq-3` before the formula that carries \tag{3}, so that pages can point at it."""
    fenced = [block.span() for block in _FENCED.finditer(markdown)]

    def anchored(block: re.Match[str]) -> str:
        tag = re.search(r"\\tag\{([\w.]+)\}", block[0])
        inside = any(start <= block.start() < stop for start, stop in fenced)
        return block[0] if tag is None or inside else f'<a class="equation" id="eq-{tag[1]}"></a>\n\n{block[0]}'

    return _DISPLAYED.sub(anchored, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """The page with its formulas typeset. The search index was made before, and has their TeX."""
    formulas = [(html.unescape(tex), kind == "[") for _tag, kind, tex in _FORMULA.findall(output)]
    if not formulas:
        return output
    ready = iter(rendered(formulas))
    return _FORMULA.sub(lambda match: f'<{match[1]} class="formula">{next(ready)}</{match[1]}>', output)


def on_post_build(config: Any) -> None:
    """The search index without TeX: displayed formulas go, of others the letters and names stay."""
    for file in (Path(config.site_dir) / "search").glob("search_index.js*"):
        text = _INDEXED.sub(lambda match: "" if match[1] == "[" else plain(match[2]), file.read_text())
        file.write_text(text)


def plain(tex: str) -> str:
    """`hat q_l` of TeX in a JSON text, where each backslash is written twice."""
    apart = re.sub(r"(?:\\\\)[,;!]|[{}]", " ", tex)
    return " ".join(re.sub(r"(?:\\\\)(?:mathrm|mathbb|operatorname|text)?", "", apart).split())


def rendered(formulas: list[tuple[str, bool]]) -> list[str]:
    """HTML of (TeX, whether displayed); MathML for screen readers included."""
    command = ["node", str(HERE / "render.cjs"), str(FOUND)]
    try:
        done = subprocess.run(command, input=json.dumps(formulas), capture_output=True, text=True, check=True)
    except OSError as error:
        raise PluginError(f"node is needed to typeset formulas: {error}") from None
    except subprocess.CalledProcessError as error:
        reason = re.search(r"^.*Error: .*$", error.stderr, re.M)
        raise PluginError(f"a formula is no TeX: {reason[0] if reason else error.stderr}") from None
    answer: list[str] = json.loads(done.stdout)
    return answer
