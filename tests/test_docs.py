"""Every example in README and docs runs and prints what it says.

Python blocks of a page run one after another in one namespace; a `text` block right after one is what it prints. In
`console` blocks each line `$ statmech-cl ...` runs, and the lines after it, if any, are its output ("..." stands for
lines left out). A page's or block's `<!-- slow -->` moves it to the slow tests. Blocks of other languages do not run.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from statmech_cl import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"(<!-- slow -->\n)?^```(\w+)[^\n]*\n(.*?)^```", re.M | re.S)


@dataclass
class Example:
    """A run of code and what it should print (None: anything)."""

    language: str
    code: str
    output: str | None


def examples(page: Path, *, slow: bool) -> list[Example]:
    """The runnable examples of a page, in order."""
    examples_of_page: list[Example] = []
    text = page.read_text()
    end = -1
    for block in _BLOCK.finditer(text):
        marked, language, body = block.groups()
        adjacent = text[end : block.start()].strip() == "" and end >= 0
        end = block.end()
        if language == "text" and adjacent and examples_of_page and examples_of_page[-1].language == "python":
            examples_of_page[-1].output = body
        if bool(marked) != slow:
            continue
        if language == "python":
            examples_of_page.append(Example("python", body, None))
        elif language == "console":
            for command, output in re.findall(r"^\$ (statmech-cl .*)\n((?:(?!\$ ).*\n)*)", body, re.M):
                examples_of_page.append(Example("console", command, output if output.strip() else None))
    return examples_of_page


def matches(printed: str, expected: str) -> bool:
    """Equal up to the number of spaces; "..." stands for the rest of a line, alone on a line for any lines."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, re.split(r" ?\.\.\.", _squeezed(line)))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{_squeezed(line)}\n" for line in printed.splitlines())) is not None


def _squeezed(line: str) -> str:
    return re.sub(r" +", " ", line).rstrip()


def run(page: Path, *, slow: bool) -> int:
    page_examples = examples(page, slow=slow)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for example in page_examples:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if example.language == "python":
                exec(compile(example.code, str(page), "exec"), namespace)
            else:
                assert cli.main(shlex.split(example.code)[1:]) == 0, example.code
        if example.output is not None:
            assert matches(printed.getvalue(), example.output), f"{example.code}\nprinted:\n{printed.getvalue()}"
    return len(page_examples)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_slow_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, slow=True)


def test_readme_has_examples_of_both_kinds() -> None:
    readme = examples(ROOT / "README.md", slow=False)
    assert {example.language for example in readme} == {"python", "console"}
    assert any(example.output for example in readme)


def test_output_is_compared() -> None:
    assert matches("a\nb\nc\n", "a\n...\nc\n")
    assert not matches("a\nb\nd\n", "a\n...\nc\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_the_site_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs: make docs")
    if not (ROOT / "build" / "typeset" / "node_modules").exists():
        pytest.skip("needs KaTeX: make docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = page.read_text()
        assert not re.findall(r"""src=["']?(?:https?:)?//""", text), page
        assert not re.findall(r"""<link[^>]+href=["']?(?:https?:)?//""", text), page
        assert "\\(" not in text and "katex-error" not in text, page
    theory = (tmp_path / "site" / "theory.html").read_text()
    assert theory.count('class="katex-display"') >= 12
    assert set(re.findall(r'href="#(eq-[^"]+)"', theory)) <= set(re.findall(r'id="(eq-[^"]+)"', theory))
    for sheet in (tmp_path / "site").rglob("*.css"):
        assert not re.findall(r"""url\(["']?(?:https?:)?//|@import""", sheet.read_text()), sheet
