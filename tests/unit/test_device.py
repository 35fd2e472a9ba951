"""Where a network is computed, and what is said when memory runs out."""

import pytest
import torch

from course_ae.command import check
from course_ae.support import device as devices
from course_ae.support.device import TOLERANCE, choose_device, enough_memory, step_error
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
    monkeypatch.setattr(devices, "agrees", lambda name: True)
    assert choose_device() == torch.device(device)


@pytest.fixture
def broken_gpu(monkeypatch):
    """A GPU whose training step fails or is wrong by a share of its gradients."""

    def broken(error):
        step = devices._step

        def wrong_step(device):
            if device.type == "cpu":
                return step(device)
            if error is None:
                raise RuntimeError("CUDA error: no kernel image is available for execution")
            return [gradient * (1 + error) for gradient in step(torch.device("cpu"))]

        monkeypatch.delenv("COURSE_AE_DEVICE", raising=False)
        monkeypatch.delenv("LOCAL_RANK", raising=False)
        monkeypatch.setattr(devices, "_step", wrong_step)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        step_error.cache_clear()

    yield broken
    step_error.cache_clear()


@pytest.mark.parametrize(
    ("error", "chosen"),
    [(0.0, "cuda"), (TOLERANCE / 2, "cuda"), (2 * TOLERANCE, "cpu"), (torch.nan, "cpu"),
     (None, "cpu")],
)  # fmt: skip
def test_a_gpu_that_computes_otherwise_is_not_chosen_by_itself(broken_gpu, error, chosen):
    broken_gpu(error)
    assert choose_device() == torch.device(chosen)
    told = list(check._device())
    assert told[0].startswith(chosen)
    assert ("does NOT agree" in told[1]) == (chosen == "cpu")


def test_a_gpu_that_is_asked_for_is_taken_as_it_is(broken_gpu, monkeypatch):
    broken_gpu(1.0)
    monkeypatch.setenv("COURSE_AE_DEVICE", "cuda")
    assert choose_device() == torch.device("cuda")


def test_the_step_has_gradients_that_the_layers_of_torch_have_too():
    found = devices._step(torch.device("cpu"))
    assert [gradient.shape for gradient in found] == [torch.Size(shape) for shape in devices.STEP]
    assert all(gradient.abs().max() > 0.1 for gradient in found)
    assert step_error("cpu") == 0


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
