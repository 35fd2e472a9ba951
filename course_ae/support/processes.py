"""The processes that share a training: one, as long as nobody asks for more."""

from collections.abc import Iterator

from torch import Tensor, nn


class OneProcess:
    """A training in this process alone; `scale.distributed` does the same with many."""

    count = 1  # processes
    is_first = True  # prints and writes files

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network to train, whose gradients are those of the whole batch."""
        return model

    def share(self, batches: Iterator[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
        """This process's part of each batch, (B, 1, H, W) each."""
        return batches

    def mean(self, *values: float) -> list[float]:
        """The mean of each value over the processes."""
        return list(values)

    def average_statistics(self, model: nn.Module) -> None:
        """Gives batch normalisation the same running mean and variance in all processes."""
