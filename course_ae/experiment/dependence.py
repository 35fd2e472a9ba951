"""Lesson 04: does the output of a network depend on what it is shown?"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_ae.training import reconstruct

LEAST_DEPENDENCE = 1 / 3  # below this share of the input's spread the output counts as a constant
LEAST_NEAREST = 0.5  # share of the reconstructions that must be nearest to their own image


@dataclass(frozen=True)
class Dependence:
    """How much the reconstructions of a network depend on what it is shown.

    The first two are standard deviations over images, averaged over the pixels.
    """

    output_std: float
    input_std: float
    nearest_own: float  # share of reconstructions that are nearer to their own image

    @property
    def ratio(self) -> float:
        """1 for an output that varies as much as the input, 0 for a constant."""
        return self.output_std / self.input_std if self.input_std else 1.0

    @property
    def collapsed(self) -> bool:
        """True if the output hardly depends on the input, or not on which input it is."""
        return self.ratio < LEAST_DEPENDENCE or self.nearest_own < LEAST_NEAREST


def depends_on_input(model: nn.Module, x: Tensor) -> Dependence:
    """Does the output depend on the input? Asked of images (N, 1, H, W); one alone tells nothing.

    A network can reach a fair loss by drawing the same average picture for every input. It then
    reconstructs nothing, and its learning curves do not tell. One that only makes the average
    darker or lighter varies, but does not draw each image nearer to that one than to the others.
    """
    x_hat = reconstruct(model, x)
    spread = [images.std(dim=0, correction=0).mean().item() for images in (x_hat, x)]
    distance = torch.cdist(x_hat.flatten(1), x.flatten(1))  # (N, N), of each output to each input
    own = distance.diagonal()
    others = distance + torch.diag(torch.full_like(own, torch.inf))
    return Dependence(*spread, (own <= others.amin(dim=1)).float().mean().item())
