"""Rows of plain values as a pandas DataFrame; pandas is imported when the first is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


def frame(rows: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """A DataFrame with one line for each row, the columns in order of first appearance.

    Raises
    ------
    ValueError : pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError:
        raise ValueError("to_frame needs pandas; install it with: pip install 'statmech-cl[sweep]'") from None
    return pandas.DataFrame(list(rows))
