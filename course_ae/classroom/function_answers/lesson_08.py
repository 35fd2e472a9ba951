"""The functions that students write in lesson 08."""

from typing import Any

import torch
from torch import Tensor

from course_ae.classroom.function_answers.base import FunctionAnswer
from course_ae.corruption import VISIBLE

LEAST = 9  # pixels that a stain changes visibly; fewer teach a network nothing

# 8.3, a stain of one's own: any will do, so what is compared is the first promise that it breaks.


def _clean() -> list[tuple[Tensor]]:
    """Images of the lessons' size, several and one, with black and white pixels, too."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, 1, 227, 227), (1, 1, 227, 227))
    return [
        ((1.5 * torch.rand(shape, generator=generator) - 0.25).clamp(0, 1),) for shape in shapes
    ]


def _broken_promise(result: Any, arguments: tuple) -> int | None:
    """Which mistake it is, from 1; 0 for a good stain, -1 for an odd answer, None for no answer."""
    if result is None:
        return None
    parts = list(result) if isinstance(result, tuple | list) else [result]
    if not all(isinstance(part, Tensor) for part in parts):
        return -1
    (given,) = arguments
    (x,) = next(case for case in _clean() if case[0].shape == given.shape)
    if [(part.shape, part.dtype) for part in parts] != [
        (x.shape, x.dtype),
        (x[:, 0].shape, torch.bool),
    ]:
        return 1
    stained, mask = parts
    changes = (stained - x).abs()[:, 0]  # (B, H, W)
    kept = (
        torch.equal(given, x),
        bool(stained.min() >= 0 and stained.max() <= 1),
        bool((changes > VISIBLE).sum(dim=(1, 2)).min() >= LEAST),
        # Changes that no eye would see may be marked or not.
        bool((mask | (changes < VISIBLE)).all() and (changes > 0)[mask].all()),
    )
    return next((i for i, promise in enumerate(kept, 2) if not promise), 0)


def _light(x: Tensor) -> tuple[Tensor, Tensor]:
    """A band of light from the left to the right."""
    stained = x.clone()
    stained[..., 10:20, :] += 0.3
    stained = stained.clamp(0, 1)
    return stained, (stained - x).abs()[:, 0] > 0


def _light_alone(x: Tensor) -> Tensor:
    return _light(x)[0]


def _light_in_place(x: Tensor) -> tuple[Tensor, Tensor]:
    mask = _light(x)[1]
    x[..., 10:20, :] += 0.3
    return x.clamp_(0, 1), mask


def _glare(x: Tensor) -> tuple[Tensor, Tensor]:
    stained = x.clone()
    stained[..., 10:20, :] += 0.3
    return stained, (stained - x).abs()[:, 0] > 0


def _speck(x: Tensor) -> tuple[Tensor, Tensor]:
    stained = x.clone()
    stained[..., 10, 10] = 1 - stained[..., 10, 10].round()
    return stained, (stained - x).abs()[:, 0] > 0


def _whole_band(x: Tensor) -> tuple[Tensor, Tensor]:
    mask = torch.zeros_like(x[:, 0], dtype=torch.bool)
    mask[:, 10:20] = True
    return _light(x)[0], mask


FUNCTIONS: dict[str, FunctionAnswer] = {}

FUNCTIONS["8.3"] = FunctionAnswer(
    _light,
    (_light_alone, _light_in_place, _glare, _speck, _whole_band),
    _clean,
    _broken_promise,
)
