"""The notebook runs from top to bottom and still shows what it showed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parent.parent / "docs" / "forgetting.ipynb"


def _printed(notebook: Any) -> list[str]:
    return [
        output.text for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient

    kept = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(fresh, timeout=600, kernel_name="python3").execute()
    theory = [text for text in _printed(fresh) if "descent" not in text]
    assert theory and theory == [text for text in _printed(kept) if "descent" not in text]
