"""Where a network is computed, and in which precision."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from course_ae.support.errors import CourseError


def choose_device() -> torch.device:
    """CUDA where there is one, else Apple's GPU, else the processor; $COURSE_AE_DEVICE overrides.

    Raises:
        CourseError: for a device that does not exist here.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    chosen = os.environ.get("COURSE_AE_DEVICE") or next(
        name for name in ("cuda", "mps", "cpu") if there[name]
    )
    if chosen not in there or not there[chosen]:
        usable = ", ".join(name for name in there if there[name])
        raise CourseError(f"There is no device '{chosen}' here; choose one of: {usable}.")
    if chosen == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun: one GPU a process
        return torch.device(chosen, int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    return torch.device(chosen)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Layers in bfloat16 where the hardware has it; weights and losses stay in float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
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
