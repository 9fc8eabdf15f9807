"""A small stand-in for the images: four classes of noisy 784-pixel patterns, one set of prototypes a task."""

from __future__ import annotations

import torch

from statmech_cl.simulations.deep.protocol import Protocol
from statmech_cl.simulations.deep.scenarios import Scenario, TaskData

N_CLASSES = 4
PROTOCOL = Protocol(epochs=2, batches=8, batch_size=16, widths=(24,))


def toy_scenario(n_tasks: int = 2, *, per_task_heads: bool = False) -> Scenario:
    """Tasks that any method learns in a few steps."""
    generator = torch.Generator().manual_seed(7)
    tasks = []
    for index in range(n_tasks):
        prototypes = torch.randint(0, 256, (N_CLASSES, 784), generator=generator)

        def draw(n: int, prototypes: torch.Tensor = prototypes) -> tuple[torch.Tensor, torch.Tensor]:
            labels = torch.randint(0, N_CLASSES, (n,), generator=generator)
            noise = torch.randint(-40, 41, (n, 784), generator=generator)
            return (prototypes[labels] + noise).clamp(0, 255).to(torch.uint8), labels

        offset = N_CLASSES * index if per_task_heads else 0
        (train_x, train_y), (test_x, test_y) = draw(160), draw(80)
        outputs = tuple(range(offset, offset + N_CLASSES))
        tasks.append(TaskData(f"toy {index}", train_x, train_y + offset, test_x, test_y + offset, outputs, 0.5, 0.29))
    n_outputs = N_CLASSES * n_tasks if per_task_heads else N_CLASSES
    return Scenario("toy", tuple(tasks), n_outputs, per_task_heads, ("toy",))
