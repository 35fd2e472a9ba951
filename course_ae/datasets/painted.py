"""Defects painted on good images: to choose a detector by, and where there are no real ones.

They are not those of `corruption`, which a denoiser learns to take away; or we would only measure
whether it knows our brush.
"""

import torch
from torch import Tensor

from course_ae.corruption import VISIBLE, Brush


def scratch(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A thin straight line of one gray level on each image; arguments and returns as `stain`."""
    brush, image = Brush(x, generator), x.squeeze(1)
    along, across = brush.turned(0.25, 0.75)
    line = (along.abs() < brush.uniform(0.04, 0.15)) & (across.abs() < brush.uniform(0.003, 0.009))
    painted = torch.where(line, brush.uniform(0, 1), image)
    return painted.unsqueeze(1), (painted - image).abs() > VISIBLE


def wrong_piece(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A rectangle of each image, turned and put in another place; as `scratch`.

    After Li, Sohn, Yoon and Pfister, "CutPaste: self-supervised learning for anomaly detection and
    localization", CVPR 2021.
    """
    brush, image = Brush(x, generator), x.squeeze(1)
    painted = image.clone()
    for one, source in zip(painted, image, strict=True):
        size = brush.whole(14, 40)
        top, left, row, column = (
            brush.whole(0, length - size) for length in (*source.shape, *source.shape)
        )
        piece = source[top : top + size, left : left + size].rot90(brush.whole(1, 3))
        one[row : row + size, column : column + size] = piece
    return painted.unsqueeze(1), (painted - image).abs() > VISIBLE


def film(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A faint smear with soft edges on each image, as `scratch`: the hardest to see."""
    brush, image = Brush(x, generator), x.squeeze(1)
    along, across = brush.turned(0.25, 0.75)
    radius, long = brush.uniform(0.05, 0.2), brush.uniform(0, 0.7).exp()
    cover = torch.exp(-(torch.hypot(along / (radius * long), across / (radius / long)) ** 4))
    gray = brush.uniform(0, 1) + 0.1 * brush.field(16)
    painted = (image + brush.uniform(0.08, 0.4) * cover * (gray - image)).clamp(0, 1)
    return painted.unsqueeze(1), (painted - image).abs() > VISIBLE


PAINTED = {"scratch": scratch, "wrong piece": wrong_piece, "film": film}
