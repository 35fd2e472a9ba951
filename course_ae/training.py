"""Lesson 04: learn to rebuild good images, stop in time, and check that something was learnt."""

import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from course_ae.config import CourseError, Settings
from course_ae.corruption import stain
from course_ae.model import ConvAutoencoder
from course_ae.ssim import LOSSES

SNAPSHOT_EPOCHS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)  # close together while much changes
LEAST_DEPENDENCE = 1 / 3  # below this share of the input's spread the output counts as a constant


@dataclass
class Training:
    """What a training leaves behind, beside the weights."""

    history: list[dict[str, float]] = field(default_factory=list)  # one row an epoch
    best_epoch: int = 0
    snapshots: dict[int, np.ndarray] = field(default_factory=dict)  # epoch: uint8 (k, 227, 227)


@dataclass(frozen=True)
class Dependence:
    """How much the output of a network changes from image to image.

    Both numbers are standard deviations over images, averaged over the pixels.
    """

    output_std: float
    input_std: float

    @property
    def ratio(self) -> float:
        """1 for an output that varies as much as the input, 0 for a constant."""
        return self.output_std / self.input_std if self.input_std else 1.0

    @property
    def collapsed(self) -> bool:
        """True if the output hardly depends on the input."""
        return self.ratio < LEAST_DEPENDENCE


def choose_device() -> torch.device:
    """CUDA where there is one, else Apple's GPU, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """Layers in bfloat16 where the hardware has it; weights and losses stay in float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = device.type == "cpu" and torch.backends.mkldnn.is_available() and _cpu_has_bf16()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def _cpu_has_bf16() -> bool:
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def build_model(settings: Settings, device: torch.device | None = None) -> ConvAutoencoder:
    """An untrained autoencoder; the same seed gives the same weights."""
    torch.manual_seed(settings.seed)
    model = ConvAutoencoder(
        settings.width, settings.bottleneck, settings.batch_norm, settings.skips
    )
    return model.to(device, memory_format=torch.channels_last)


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    loss: str,
    after_step: Callable[[int], None],
) -> float:
    """One pass over the training images; returns the mean loss.

    Args:
        model: the network, changed in place.
        optimizer: changes its weights.
        batches: pairs of what the network is shown and what it shall draw, (B, 1, 227, 227) each.
        loss: a name in `LOSSES`.
        after_step: called after each step with B.
    """
    model.train()
    total, seen = 0.0, 0
    for shown, x in batches:
        with mixed_precision(x.device):
            x_hat = model(shown)  # (B, 1, 227, 227)
        value = LOSSES[loss](x_hat, x)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        total += value.detach() * len(x)
        seen += len(x)
        after_step(len(x))
    return float(total) / seen


def training_batches(
    x_train: Tensor, settings: Settings, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the network is shown and what it shall draw, batch by batch in a new random order.

    Both are the same images, unless the network is to repair: then what is shown has stains.
    """
    order = torch.randperm(len(x_train), generator=generator).to(x_train.device)
    for batch in order.split(settings.batch_size):
        if len(batch) == 1:  # batch normalisation needs two images; the order is another next time
            continue
        x = x_train[batch]  # (B, 1, 227, 227)
        yield (stain(x, x_train, generator)[0] if settings.repair else x), x


@torch.inference_mode()
def reconstruct(model: nn.Module, x: Tensor, batch_size: int = 32) -> Tensor:
    """X' = D(E(x)) for any number of images: (N, 1, 227, 227) float32, on the device of `x`."""
    model.eval()
    return torch.cat([model(batch) for batch in x.split(batch_size)])


def evaluate_loss(x_hat: Tensor, x: Tensor, loss: str) -> float:
    """The mean loss of reconstructions, both (N, 1, 227, 227)."""
    parts = zip(x_hat.split(32), x.split(32), strict=True)
    return sum(LOSSES[loss](a, b).item() * len(a) for a, b in parts) / len(x)


def fit(
    model: nn.Module,
    x_train: Tensor,
    x_val: Tensor,
    settings: Settings,
    watch: Tensor | None = None,
) -> Training:
    """Trains with Adam until the validation loss has not fallen for `patience` epochs.

    The model ends with the weights of the epoch that had the lowest validation loss.

    Args:
        model: the network, on the device of the images; changed in place.
        x_train: images to learn, (N, 1, 227, 227) in [0, 1], flips included.
        x_val: images to watch the training with; no flipped twin of them may be in `x_train`.
        settings: loss, learning_rate, anneal, batch_size, epochs, patience, repair and seed are
            used.
        watch: a few images (k, 1, 227, 227) whose reconstructions are kept along the way.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    generator = torch.Generator().manual_seed(settings.seed)
    shown_val = x_val
    if settings.repair:  # the same stains after each epoch
        shown_val, _ = stain(x_val, x_train, torch.Generator().manual_seed(settings.seed))
    result, best_loss, best_weights = Training(), float("inf"), None
    total = settings.epochs * len(x_train)
    with tqdm(total=total, unit=" images", file=sys.stdout, mininterval=1) as bar:
        schedule = _schedule(optimizer, settings, len(x_train))

        def after_step(count: int) -> None:
            bar.update(count)
            schedule.step()

        for epoch in range(1, settings.epochs + 1):
            start = time.perf_counter()
            batches = training_batches(x_train, settings, generator)
            train_loss = train_epoch(model, optimizer, batches, settings.loss, after_step)
            val_loss = evaluate_loss(reconstruct(model, shown_val), x_val, settings.loss)
            seconds = time.perf_counter() - start
            row = {"epoch": epoch, "train_loss": train_loss, "val_loss": val_loss}
            result.history.append({**row, "seconds": seconds})
            bar.set_postfix_str(f"epoch {epoch}, loss {train_loss:.4f}, validation {val_loss:.4f}")
            if watch is not None and epoch in SNAPSHOT_EPOCHS:
                result.snapshots[epoch] = to_uint8(reconstruct(model, watch))
            if val_loss < best_loss:
                best_loss, result.best_epoch = val_loss, epoch
                best_weights = copy.deepcopy(model.state_dict())
            elif epoch - result.best_epoch >= settings.patience:
                break
    if best_weights is None:
        raise CourseError(
            "The validation loss was never a number; lower 'learning_rate' and train again."
        )
    model.load_state_dict(best_weights)
    return result


def _schedule(
    optimizer: torch.optim.Optimizer, settings: Settings, images: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The step size: constant, or one cycle (Smith and Topin, "Super-convergence", 2018)."""
    if not settings.anneal:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    size = settings.batch_size
    steps = settings.epochs * (images // size + (images % size > 1))  # as `training_batches` has it
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps, pct_start=0.1
    )


def to_uint8(x: Tensor) -> np.ndarray:
    """Images (N, 1, H, W) in [0, 1] to uint8 (N, H, W)."""
    return (x.squeeze(1) * 255).round().byte().cpu().numpy()


def depends_on_input(model: nn.Module, x: Tensor) -> Dependence:
    """Does the output depend on the input? Compares how much both vary over the images (N, ...).

    A network can reach a fair loss by drawing the same average picture for every input. It then
    reconstructs nothing, and its learning curves do not tell.
    """
    x_hat = reconstruct(model, x)
    spread = [images.std(dim=0, correction=0).mean().item() for images in (x_hat, x)]
    return Dependence(*spread)
