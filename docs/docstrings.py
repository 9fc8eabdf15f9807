"""Docstrings as Markdown, for the reference: `name : meaning` under an underlined title becomes a list."""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

_TITLE = re.compile(r"^(Parameters|Attributes|Returns|Raises|Warns|Yields)\n-+\n", re.M)


def as_markdown(text: str) -> str:
    """The docstring with its sections as lists; everything else, indented equations included, as it stands."""
    parts = _TITLE.split(inspect.cleandoc(text))
    out = [parts[0]]
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        section, _, rest = body.partition("\n\n")
        items = re.sub(r"\n(?=\S)", "\n- ", "- " + section)
        items = re.sub(r"^- ([\w*, ]+?) : ", lambda name: f"- {_code(name[1])}: ", items, flags=re.M)
        out.append(f"**{title}**\n\n{items}\n\n{rest}")
    return "\n".join(map(_literal, "\n".join(out).split("\n")))


def _literal(line: str) -> str:
    """A line in which <m> is no HTML tag; code, indented or in backticks, is literal already."""
    if line.startswith("    "):
        return line
    return "`".join(part if k % 2 else part.replace("<", "&lt;") for k, part in enumerate(line.split("`")))


def _code(names: str) -> str:
    return ", ".join(f"`{name.strip()}`" for name in names.split(","))


class Docstrings(griffe.Extension):
    """Rewrites every docstring as it is loaded."""

    def on_object(self, *, obj: Any, **kwargs: Any) -> None:
        """Called by griffe for each object."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
