"""How a student descends: learning rate, warm-up, momentum, mini-batches, start. Read by simulations and by theory."""

from __future__ import annotations

from dataclasses import dataclass

from .validation import check_choice, check_count, check_number

OPTIMIZERS = ("sgd", "adam")
MOST = 1e6  # of a rate or a spread; far below, every run diverges


@dataclass(frozen=True, kw_only=True)
class DescentSettings:
    """How to descend. Figures that set descent beside its theory take the whole batch and a rate of their own.

    optimizer : "sgd" (with momentum) or "adam".
    learning_rate : eta > 0, on the gradient summed over patterns.
    warmup : epochs over which the rate of each task rises linearly to learning_rate. Without them the steep start of a
        task throws fields far out, where 1 - m^2 is too small for anything to bring them back.
    momentum : of SGD, or the first-moment decay of Adam, in [0, 1).
    batch : patterns in a mini-batch; None takes all P at once. The P patterns are cut into mini-batches once (they are
        independent draws), and every epoch visits the mini-batches in a fresh random order.
    epochs : passes over the patterns, for each task.
    weight_decay : strength of the (1/2) weight_decay sum theta^2 that is added to E of a task that neither a prior nor
        an anchor holds: the fields of such a task would grow for ever. Where a prior or an anchor stands it is left
        out, for the measure that the theory describes knows no such term.
    start_spread : standard deviation of the normal fields that a first task starts from; together with weight_decay it
        decides how far from the origin descent ends (docs/simulations.md shows what each setting moves).
    records : number of epochs (besides the start) at which observables are recorded, evenly spaced.
    replicas : students trained on the same patterns from different starts; two give q = mean m_a m_b.
    test_patterns : fresh patterns of each task on which the final sign(theta) is tested.
    teacher_signs : "exact" or "random" overlaps of the teachers, see teachers.teachers.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.02
    warmup: int = 10
    momentum: float = 0.9
    batch: int | None = 32
    epochs: int = 200
    weight_decay: float = 0.03
    start_spread: float = 0.7
    records: int = 50
    replicas: int = 1
    test_patterns: int = 1000
    teacher_signs: str = "exact"

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_number("learning_rate", self.learning_rate, low=0.0, high=MOST, open_low=True)
        check_count("warmup", self.warmup, low=0)
        check_number("momentum", self.momentum, low=0.0, high=1.0, open_high=True)
        if self.batch is not None:
            check_count("batch", self.batch)
        check_count("epochs", self.epochs)
        check_number("weight_decay", self.weight_decay, low=0.0, high=MOST)
        check_number("start_spread", self.start_spread, low=0.0, high=MOST)
        check_count("records", self.records)
        if check_count("replicas", self.replicas) > 2:
            raise ValueError(f"replicas must be 1 or 2, got {self.replicas!r}")
        check_count("test_patterns", self.test_patterns, low=0)
        check_choice("teacher_signs", self.teacher_signs, ("exact", "random"))
