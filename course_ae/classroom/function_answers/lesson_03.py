"""The functions that students write in lesson 03."""

import torch
import torch.nn.functional as F
from torch import Tensor

from course_ae.classroom.function_answers.base import FunctionAnswer

FUNCTIONS: dict[str, FunctionAnswer] = {}


# Lesson 03: max pooling, and a transposed convolution in one dimension.


def _windows(image: Tensor, size: int, stride: int) -> Tensor:
    """All windows of an image (H, W) that lie inside it, (h, w, size, size)."""
    return image.unfold(0, size, stride).unfold(1, size, stride)


def _max_pool(image: Tensor, size: int, stride: int) -> Tensor:
    return _windows(image, size, stride).amax(dim=(2, 3))


def _mean_pool(image: Tensor, size: int, stride: int) -> Tensor:
    return _windows(image, size, stride).mean(dim=(2, 3))


def _side_by_side(image: Tensor, size: int, stride: int) -> Tensor:
    return _max_pool(image, size, size)


def _too_many_places(image: Tensor, size: int, stride: int) -> Tensor:
    """Cuts windows off at the border instead of leaving them out."""
    rows, columns = (range(0, side, stride) for side in image.shape)
    return torch.tensor([[image[i : i + size, j : j + size].max() for j in columns] for i in rows])


def _images_to_pool() -> list[tuple]:
    dice = torch.Generator().manual_seed(0)
    shapes = (((7, 9), 3, 2), ((6, 8), 3, 2), ((8, 8), 2, 2), ((9, 7), 4, 3))
    # Below 0, so that a result that begins at 0 is found out.
    return [(torch.rand(*shape, generator=dice) - 2, *rest) for shape, *rest in shapes]


FUNCTIONS["3.1"] = FunctionAnswer(
    _max_pool, (_mean_pool, _side_by_side, _too_many_places), _images_to_pool
)


def _grow(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return F.conv_transpose1d(numbers[None, None], kernel[None, None], stride=stride)[0, 0]


def _overwrite(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Where prints overlap, the last one alone is left."""
    line = torch.zeros((len(numbers) - 1) * stride + len(kernel))
    for i, number in enumerate(numbers):
        line[i * stride : i * stride + len(kernel)] = number * kernel
    return line


def _unweighted(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return _grow(torch.ones_like(numbers), kernel, stride)


def _without_stride(numbers: Tensor, kernel: Tensor, stride: int) -> Tensor:
    return _grow(numbers, kernel, 1)


def _lines_to_grow() -> list[tuple]:
    kernels = (([1.0, 2.0, 1.0], 2), ([1.0, -1.0, 0.5, 3.0], 3), ([2.0, 1.0, 4.0], 1))
    numbers = ([1.0, 0.0, 2.0, 3.0], [2.0, -1.0], [0.5, 1.0, 3.0])
    pairs = zip(numbers, kernels, strict=True)
    return [(torch.tensor(line), torch.tensor(kernel), s) for line, (kernel, s) in pairs]


FUNCTIONS["3.2"] = FunctionAnswer(_grow, (_overwrite, _unweighted, _without_stride), _lines_to_grow)
