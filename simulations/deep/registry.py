"""The table of methods, filled: those of this package, and those of installed packages that name a module under the
entry point "statmech_cl.methods"."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from statmech_cl.validation import check_choice

from .. import spectral
from . import (
    methods_gaussian,
    methods_metaplastic,
    methods_natural,
    methods_online,
    methods_sampled,
    methods_vcl,
    methods_weights,
)
from .methods import METHODS, Method

GROUP = "statmech_cl.methods"
# Each registers its methods when it is imported.
BUILT_IN = (
    methods_weights,
    methods_online,
    methods_vcl,
    methods_natural,
    methods_sampled,
    methods_gaussian,
    methods_metaplastic,
    spectral,
)


def methods() -> dict[str, type[Method]]:
    """All known methods by name."""
    _load_outside()
    return dict(METHODS)


def get_method(name: str) -> type[Method]:
    """The method called `name`.

    Raises
    ------
    ValueError : unknown name; the line names the nearest known one.
    """
    known = methods()
    return known[check_choice("method", name, tuple(known))]


@cache
def _load_outside() -> None:
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"methods of {entry.value!r} ({GROUP}) cannot be loaded: {reason}") from error
