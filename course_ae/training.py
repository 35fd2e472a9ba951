"""Lesson 04: learn to rebuild good images, stop in time, and check that something was learnt."""

import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from tqdm import tqdm

from course_ae import distributed
from course_ae.checkpoints import Training, TrainingState
from course_ae.config import CourseError, Settings
from course_ae.corruption import stain
from course_ae.model import ConvAutoencoder, count_parameters, outputs
from course_ae.ssim import LOSSES

SNAPSHOT_EPOCHS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)  # close together while much changes
LEAST_DEPENDENCE = 1 / 3  # below this share of the input's spread the output counts as a constant


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


def build_model(settings: Settings, device: torch.device | None = None) -> ConvAutoencoder:
    """An untrained autoencoder; the same seed gives the same weights."""
    torch.manual_seed(settings.seed)
    return _network(settings).to(device, memory_format=torch.channels_last)


def _network(settings: Settings) -> ConvAutoencoder:
    s = settings
    return ConvAutoencoder(s.width, s.bottleneck, s.batch_norm, s.skips)


def require_memory(settings: Settings, device: torch.device) -> None:
    """Refuses a network that this machine cannot hold, before the system ends the process for it.

    Counted are the weights, their gradients and Adam's two means, and what the layers make of a
    batch: less than is needed, so nothing that would fit is refused.

    Raises:
        CourseError: if that is more than all memory of the device.
    """
    with torch.device("meta"):  # shapes without memory
        model = _network(settings)
        layers = outputs(model, torch.empty(1, 1, 227, 227))
    parameters = count_parameters(model)
    a_image = sum(layer.numel() for layer in layers.values())
    share = settings.batch_size / distributed.size()  # images of a batch, for this process
    needed = 4 * (4 * parameters + share * a_image)  # bytes
    there = psutil.virtual_memory().total
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    if needed > there:
        raise CourseError(
            f"Training this network of {parameters:,} parameters with batches of "
            f"{settings.batch_size} images needs more than {needed / 1e9:.0f} GB of memory, and "
            f"there are {there / 1e9:.0f}; lower 'width', 'bottleneck' or 'batch_size'."
        )


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
        no_memory = re.search("out of memory|not enough memory|allocate memory", str(error))
        if not (no_memory or isinstance(error, MemoryError)):
            raise
        raise CourseError(f"Memory ran out; {remedy}.") from error


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
    x_train: Tensor, settings: Settings, generator: torch.Generator, least: int = 2
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the network is shown and shall draw, (B, 1, H, W) each, in a new random order.

    Both are the same images, unless the network is to repair: then what is shown has stains.
    A last batch of fewer than `least` images is left out: batch normalisation needs two.
    """
    order = torch.randperm(len(x_train), generator=generator).to(x_train.device)
    for batch in order.split(settings.batch_size):
        if len(batch) < least:  # the order is another next time
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
    checkpoint: Path | None = None,
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
        checkpoint: a file for the state after each epoch; where it is there already, training goes
            on from it. The caller removes it.

    Raises:
        CourseError: if the loss was never a number, the checkpoint is of another training, or
            there are too few images in a batch for all processes. A loss that stops being a number
            later ends the training with a warning and the best weights so far.
    """
    least = 2 * distributed.size()  # images in a batch, two for each process
    if settings.batch_size < least:
        raise CourseError(
            f"{distributed.size()} processes need batches of at least {least} images; raise "
            f"'batch_size', now {settings.batch_size}."
        )
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    state = TrainingState(
        model, optimizer, step_size(optimizer, settings, len(x_train), least), settings
    )
    if checkpoint and checkpoint.is_file():
        state.load(checkpoint)
    shown_val = x_val
    if settings.repair:  # the same stains after each epoch
        shown_val, _ = stain(x_val, x_train, torch.Generator().manual_seed(settings.seed))
    network, result = distributed.parallel(distributed.synchronised(model)), state.result
    done, all_images = (epochs * len(x_train) for epochs in (len(result.history), settings.epochs))
    quiet = not distributed.is_first()
    with tqdm(
        total=all_images,
        initial=done,
        unit=" images",
        file=sys.stdout,
        mininterval=1,
        disable=quiet,
    ) as bar:

        def after_step(count: int) -> None:
            bar.update(count * distributed.size())
            state.schedule.step()

        while not result.is_over(settings):
            start = time.perf_counter()
            batches = training_batches(x_train, settings, state.generator, least)
            batches = distributed.parts(batches)
            train_loss = train_epoch(network, optimizer, batches, settings.loss, after_step)
            distributed.average_statistics(model)
            val_loss = evaluate_loss(reconstruct(model, shown_val), x_val, settings.loss)
            # The same numbers in all processes, which so stop after the same epoch.
            train_loss, val_loss = distributed.mean(train_loss, val_loss)
            if not math.isfinite(train_loss + val_loss):
                break  # weights that are no numbers never recover, and are not kept
            row = {"train_loss": train_loss, "val_loss": val_loss}
            state.add_epoch(row, time.perf_counter() - start)
            epoch = len(result.history)
            bar.set_postfix_str(f"epoch {epoch}, loss {train_loss:.4f}, validation {val_loss:.4f}")
            if watch is not None and epoch in SNAPSHOT_EPOCHS:
                result.snapshots[epoch] = to_uint8(reconstruct(model, watch))
            if checkpoint:
                state.save(checkpoint)
    _end(state, quiet)
    return result


def _end(state: TrainingState, quiet: bool) -> None:
    """Gives the model its best weights, and says if the training broke off."""
    result, remedy = state.result, "lower 'learning_rate', or try another 'seed'"
    if not state.best_weights:
        raise CourseError(f"The loss was no number from the first epoch on; {remedy}.")
    state.model.load_state_dict(state.best_weights)
    if not (result.is_over(state.settings) or quiet):
        print(
            f"Warning: the loss was no number in epoch {len(result.history) + 1}; the weights of "
            f"epoch {result.best_epoch} are kept. To train on, {remedy}."
        )


def step_size(
    optimizer: torch.optim.Optimizer, settings: Settings, images: int, least: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The step size: constant, or one cycle (Smith and Topin, "Super-convergence", 2018)."""
    if not settings.anneal:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    size = settings.batch_size
    # As many batches an epoch as `training_batches` has.
    steps = settings.epochs * (images // size + (images % size >= least))
    steps += steps == 10  # of which a tenth is one step, and OneCycleLR divides by one less
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
