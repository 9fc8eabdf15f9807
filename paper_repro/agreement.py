"""When a verdict of a perceptron figure holds: how far simulation may lie from theory."""

from __future__ import annotations

from collections.abc import Sequence

from statmech_cl.solution import Estimate

from .framework import Row

# Descent minimises E from one kind of start; theory averages over exp(-beta E). Their eps differ by up to this much at
# every size and however many seeds: a verdict holds within 3 standard errors plus this.
ALLOWANCE = 0.03
# Where all seeds give one number, N sites cannot show a smaller difference than this.
_RESOLUTION = 1e-3


def compared(what: str, theory: float | None, simulation: Estimate, *notes: str) -> Row:
    """A line of a verdict. Seeds that all give the same number (a student at the teacher) have a standard error of 0,
    and z says nothing: the note says so."""
    if simulation.error == 0.0:
        notes = (*notes, "every seed gives this value")
    return Row(what, theory, simulation, "; ".join(note for note in notes if note))


def unstable(replicon: float) -> str:
    """A word where the replica-symmetric ansatz is unstable."""
    return "" if replicon < 1.0 else f"replicon {replicon:.2f}"


def agreement(rows: Sequence[Row], what: str, method: str = "descent") -> tuple[str, bool]:
    """One sentence on how far simulation and theory lie apart in `rows` (of eps), and whether they agree."""
    pairs = [(row.simulation, row.theory) for row in rows if row.theory is not None and row.simulation is not None]
    gaps = [abs(simulation.mean - theory) for simulation, theory in pairs]
    near = [
        gap <= (3.0 * simulation.error if simulation.error > 0.0 else _RESOLUTION)
        for gap, (simulation, _) in zip(gaps, pairs, strict=True)
    ]
    good = [gap <= 3.0 * simulation.error + ALLOWANCE for gap, (simulation, _) in zip(gaps, pairs, strict=True)]
    compared = [row.what for row in rows if row.theory is not None and row.simulation is not None]
    apart = [what for what, fine in zip(compared, good, strict=True) if not fine]
    sentence = (
        f"{what}: theory and {method} agree within 3 standard errors at {sum(near)} of {len(pairs)} points, and within "
        f"{ALLOWANCE:g} more at {sum(good)}; largest difference {max(gaps):.3f}"
    )
    return sentence + (f"; apart at {', '.join(apart)}." if apart else "."), not apart
