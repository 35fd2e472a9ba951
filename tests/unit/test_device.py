"""Where a network is computed, and what is said when memory runs out."""

import pytest
import torch

from course_ae.support.device import choose_device, enough_memory
from course_ae.support.errors import CourseError


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_fastest_device_is_chosen(monkeypatch, cuda, mps, device):
    monkeypatch.delenv("COURSE_AE_DEVICE", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device() == torch.device(device)


def test_a_device_can_be_asked_for_if_it_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("COURSE_AE_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")
    monkeypatch.setenv("COURSE_AE_DEVICE", "cuda")
    with pytest.raises(CourseError, match="no device 'cuda' here; choose one of: cpu"):
        choose_device()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
)
def test_lack_of_memory_is_one_sentence(error):
    with pytest.raises(CourseError, match="Memory ran out; buy more"), enough_memory("buy more"):
        raise error
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("buy more"):
        raise RuntimeError("shapes cannot be multiplied")


def test_memory_that_is_really_not_there():
    with pytest.raises(CourseError, match="Memory ran out"), enough_memory("ask for less"):
        torch.empty(2**60)
