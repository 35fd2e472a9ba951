"""One training shared by several processes, each of which takes its part of every batch.

`torchrun --nproc-per-node N -m course_ae train ...` starts them. All draw the same batches from the
same seed, so together they see what one process would have seen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from course_ae.support.errors import CourseError
from course_ae.support.processes import OneProcess

PATIENCE = timedelta(minutes=10)  # for another process that does not answer


class ManyProcesses(OneProcess):
    """What `fit` does otherwise where torchrun has started several processes."""

    def __init__(self):
        self.count, self.rank = dist.get_world_size(), dist.get_rank()
        self.is_first = self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network whose gradients are averaged over the processes after each backward pass.

        On GPUs batch normalisation then sees the whole batch of all processes. Elsewhere each one
        normalises its own part, and `average_statistics` joins what they learn.
        """
        if next(model.parameters()).is_cuda:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return DistributedDataParallel(model, broadcast_buffers=False)

    def share(self, batches: Iterator[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
        """This process's part of each batch (B, 1, H, W): every N-th image of N processes."""
        for batch in batches:
            yield tuple(images[self.rank :: self.count] for images in batch)

    def mean(self, *values: float) -> list[float]:
        """The mean of each value over all processes; all get the same result."""
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        sums = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(sums)
        return (sums / self.count).tolist()

    def average_statistics(self, model: nn.Module) -> None:
        """Averages the running mean and variance of batch normalisation over all processes."""
        for values in model.buffers():
            if values.is_floating_point():
                dist.all_reduce(values)
                values /= self.count


@contextmanager
def joined(device: torch.device) -> Iterator[ManyProcesses]:
    """Joins the processes that torchrun has started.

    Args:
        device: where this process computes: nccl connects GPUs, gloo everything else.

    Raises:
        CourseError: if another process ends early.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    processes = ManyProcesses()
    try:
        yield processes
    except (dist.DistError, RuntimeError) as error:
        if not _lost_connection(error):
            raise
        raise CourseError(
            f"Process {processes.rank} of {processes.count} lost the others, one of which has "
            "ended; begin again with --resume to go on after the last finished epoch."
        ) from error
    finally:
        dist.destroy_process_group()


def _lost_connection(error: Exception) -> bool:
    """True for torch's own errors of this kind; gloo's have no type, and its words must do."""
    words = ("connection", "socket", "peer", "gloo", "timed out")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)
