"""Where a network is computed, and in which precision."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
import torch.nn.functional as F

from course_ae.support.errors import CourseError

TOLERANCE = 0.01  # of a gradient: far above rounding, even that of TF32, far below a wrong result
STEP = ((6, 1, 11, 11), (1, 6, 1, 1), (54, 54), (6, 1, 11, 11))  # shapes of its weights


def choose_device() -> torch.device:
    """CUDA where there is one, else Apple's GPU, else the processor; $COURSE_AE_DEVICE overrides.

    By itself a GPU is only chosen if it computes a training step as the processor does.

    Raises:
        CourseError: for a device that does not exist here.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    chosen = os.environ.get("COURSE_AE_DEVICE") or next(
        name for name in ("cuda", "mps", "cpu") if there[name] and agrees(name)
    )
    if chosen not in there or not there[chosen]:
        usable = ", ".join(name for name in there if there[name])
        raise CourseError(f"There is no device '{chosen}' here; choose one of: {usable}.")
    if chosen == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun: one GPU a process
        return torch.device(chosen, int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    return torch.device(chosen)


def agrees(name: str) -> bool:
    """True if a training step on a device is off by less than `TOLERANCE`."""
    return step_error(name) < TOLERANCE


@lru_cache
def step_error(name: str) -> float:
    """How far a training step on a device is from the processor's; infinite where it fails.

    The step is that of a small network with every kind of layer that ours have, in float32. Its
    error is the largest difference of a gradient, as a share of the largest gradient of that layer.
    """
    if name == "cpu":
        return 0.0
    try:
        expected, found = _step(torch.device("cpu")), _step(torch.device(name))
    except Exception:  # a driver may fail in any way, and then the device is of no use
        return math.inf
    errors = [(a - b).abs().max() / a.abs().max() for a, b in zip(expected, found, strict=True)]
    error = float(torch.stack(errors).max())
    return error if math.isfinite(error) else math.inf


def _step(device: torch.device) -> list[torch.Tensor]:
    """The gradients of one step, on the processor."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, 35, 35, generator=generator)
    weights = [torch.randn(shape, generator=generator) / 5 for shape in STEP]
    w1, b1, w2, w3 = (weight.to(device).requires_grad_() for weight in weights)
    x = x.to(device)
    maps = F.conv2d(x, w1, stride=4)  # (4, 6, 7, 7)
    maps = F.relu(F.batch_norm(maps, None, None, training=True) + b1)
    maps = F.max_pool2d(maps, 3, stride=2)  # (4, 6, 3, 3)
    maps = F.linear(maps.flatten(1), w2).view(4, 6, 3, 3)
    drawn = F.conv_transpose2d(maps, w3, stride=2).sigmoid()  # (4, 1, 15, 15)
    ((drawn - x[..., :15, :15]).square().mean() * 100).backward()
    return [weight.grad.cpu() for weight in (w1, b1, w2, w3)]


def mixed_precision(device: torch.device) -> torch.autocast:
    """Layers in bfloat16 where the hardware has it; weights and losses stay in float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and torch.backends.mkldnn.is_available() and _cpu_has_bf16()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def _cpu_has_bf16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Says in a sentence that memory ran out, for which torch has several kinds of error.

    Args:
        remedy: what to do about it, the end of the sentence.

    Raises:
        CourseError: if memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # For the processor alone torch has no type of its own, and its words must do.
        words = any(word in str(error) for word in ("allocate memory", "not enough memory"))
        if not (words or isinstance(error, MemoryError | torch.OutOfMemoryError)):
            raise
        raise CourseError(f"Memory ran out; {remedy}.") from error
