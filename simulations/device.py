"""Where torch runs: the device, and how many threads it takes there."""

from __future__ import annotations

import torch


def one_thread() -> None:
    """Let torch use one thread in this process: descent steps are too short for two threads to pay on a CPU."""
    torch.set_num_threads(1)


def check_device(device: str) -> torch.device:
    """The torch device, or a ValueError that says what is allowed."""
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise ValueError(f"device must be cpu or cuda, got {device!r}")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be cpu on this machine (torch finds no CUDA device), got {device!r}")
    return chosen
