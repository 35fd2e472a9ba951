"""One training shared by several processes, each of which takes its part of every batch.

`torchrun --nproc-per-node N -m course_ae train ...` starts them. All draw the same batches from the
same seed, so together they see what one process would have seen. Without torchrun there is one
process, and everything here does nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from course_ae.config import CourseError

PATIENCE = timedelta(minutes=10)  # for another process that does not answer


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """True in the one process that prints and writes files."""
    return rank() == 0


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Joins the processes that torchrun has started, if it has started any.

    Args:
        device: where this process computes: nccl connects GPUs, gloo everything else.

    Raises:
        CourseError: if another process ends early.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    except (dist.DistBackendError, RuntimeError) as error:
        if not _lost_connection(error):
            raise
        raise CourseError(
            f"Process {rank()} of {size()} lost the others, one of which has ended; begin again "
            "with --resume to go on after the last finished epoch."
        ) from error
    finally:
        dist.destroy_process_group()


def _lost_connection(error: Exception) -> bool:
    words = ("connection", "socket", "peer", "gloo", "nccl", "timed out")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


def parallel(model: nn.Module) -> nn.Module:
    """The network whose gradients are averaged over the processes after each backward pass."""
    if size() == 1:
        return model
    return DistributedDataParallel(model, broadcast_buffers=False)


def synchronised(model: nn.Module) -> nn.Module:
    """Batch normalisation over the whole batch of all processes, which only GPUs can do.

    Elsewhere each process normalises its own part; `average_statistics` joins what they learn.
    """
    if size() > 1 and next(model.parameters()).is_cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return model


def parts(batches: Iterator[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    """This process's part of each batch (B, 1, H, W): every N-th image of N processes."""
    for batch in batches:
        yield tuple(images[rank() :: size()] for images in batch)


def mean(*values: float) -> list[float]:
    """The mean of each value over all processes; all get the same result."""
    if size() == 1:
        return list(values)
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return (sums / size()).tolist()


def average_statistics(model: nn.Module) -> None:
    """Averages the running mean and variance of batch normalisation over all processes."""
    if size() > 1:
        for values in model.buffers():
            if values.is_floating_point():
                dist.all_reduce(values)
                values /= size()
