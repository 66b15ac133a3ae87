"""What the processes of one training agree on; alone, a process is rank 0 of 1."""

import os

from tuneline.errors import TrainingError


class StartAgainError(TrainingError):
    """All processes must end and start again, with other settings than before."""


def rank() -> int:
    """Number of this process among those of the training, from 0."""
    return int(os.environ.get("RANK", "0"))


def n_ranks() -> int:
    """Processes of the training, over all machines."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes what all of them made."""
    return rank() == 0


def wait_for_all() -> None:
    """Return when every process came here."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def any_rank(claim: bool) -> bool:
    """Whether the claim holds in one process at least; every process must ask together."""
    import torch
    import torch.distributed as dist

    if n_ranks() == 1 or not dist.is_initialized():
        return claim
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    vote = torch.tensor([int(claim)], device=device)
    dist.all_reduce(vote, op=dist.ReduceOp.MAX)
    return bool(vote.item())
