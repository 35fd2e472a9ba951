"""Lesson 04: learn to rebuild good images, stop in time, and check that something was learnt."""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_ae.baselines import PCA_SIZE, CrossFitted
from course_ae.corruption import stain
from course_ae.model import ConvAutoencoder, Denoiser
from course_ae.settings import Settings
from course_ae.ssim import LOSSES
from course_ae.support.device import mixed_precision
from course_ae.support.errors import CourseError
from course_ae.support.fast_conv import speed_up
from course_ae.support.processes import OneProcess

STAIN_WEIGHT = 0.5  # of the stains' loss, beside that of the picture
AHEAD = 8  # batches that are spoiled together


def build_model(settings: Settings, device: torch.device | None = None) -> ConvAutoencoder:
    """An untrained autoencoder; the same seed gives the same weights."""
    torch.manual_seed(settings.seed)
    s = settings
    if s.denoise:
        model = Denoiser(s.width, s.bottleneck, s.batch_norm, s.skips)
    else:
        model = ConvAutoencoder(s.width, s.bottleneck, s.batch_norm, s.skips, s.from_mean)
    return speed_up(model).to(device, memory_format=torch.channels_last)


def epoch_images(count: int, settings: Settings) -> int:
    """How many images the network is shown in an epoch, of `count` different ones."""
    return max(count, settings.epoch_images)


def training_batches(
    x_train: Tensor,
    settings: Settings,
    generator: torch.Generator,
    least: int = 2,
    linear: CrossFitted | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the network is shown and shall draw, (B, 1, H, W) each, in a new random order.

    Both are the same images, unless the network is a denoiser; then `spoiled` tells what they are.
    A last batch of fewer than `least` images is left out: batch normalisation needs two.
    """
    count = epoch_images(len(x_train), settings)
    rounds = range(math.ceil(count / len(x_train)))
    orders = [torch.randperm(len(x_train), generator=generator) for _ in rounds]
    order = torch.cat(orders)[:count].to(x_train.device)
    # A last batch that is too small is left out; the order is another next time.
    batches = [batch for batch in order.split(settings.batch_size) if len(batch) >= least]
    for group in (batches[i : i + AHEAD] for i in range(0, len(batches), AHEAD)):
        pictures = [x_train[batch] for batch in group]  # (B, 1, 227, 227) each
        if linear is None:
            yield from zip(pictures, pictures, strict=True)
        else:
            rebuild = partial(linear, index=torch.cat(group))
            yield from spoiled(pictures, x_train, generator, rebuild)


def spoiled(
    batches: Sequence[Tensor],
    others: Tensor,
    generator: torch.Generator,
    linear: Callable[[Tensor], Tensor],
) -> Iterator[tuple[Tensor, Tensor]]:
    """What a denoiser is shown and shall draw, (B, 2, H, W) each, for batches (B, 1, H, W).

    It is shown images with stains and what PCA, `linear`, makes of them; it shall draw the clean
    images and where the stains are. PCA must not have learnt from the images: they would be drawn
    better than any new one. It rebuilds all batches at once, which takes hardly longer than one.
    """
    painted = [stain(x, others, generator) for x in batches]
    rebuilt = linear(torch.cat([stained for stained, _ in painted]))
    rebuilt = rebuilt.split([len(x) for x in batches])
    for x, (stained, where), pca in zip(batches, painted, rebuilt, strict=True):
        yield torch.cat([stained, pca], 1), torch.cat([x, where[:, None].float()], 1)


def total_loss(drawn: Tensor, wanted: Tensor, loss: str) -> Tensor:
    """The loss of pictures (B, 1, H, W); of a denoiser's (B, 2, H, W), that of the stains as well.

    The latter is the focal loss of Lin et al., "Focal loss for dense object detection" (ICCV 2017)
    with gamma 1: what is marked well already counts little, and most pixels have no stain.
    """
    value = LOSSES[loss](drawn[:, :1], wanted[:, :1])
    if wanted.shape[1] == 1:
        return value
    entropy = F.binary_cross_entropy_with_logits(drawn[:, 1:], wanted[:, 1:], reduction="none")
    return value + STAIN_WEIGHT * ((1 - (-entropy).exp()) * entropy).mean()


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    loss: str,
    after_step: Callable[[int], None],
    gradient_clip: float = 0.0,
) -> float:
    """One pass over the training images; returns the mean loss.

    Args:
        model: the network, changed in place.
        optimizer: changes its weights.
        batches: pairs of what the network is shown and shall draw, as `training_batches` has them.
        loss: a name in `LOSSES`.
        after_step: called after each step with B.
        gradient_clip: one that is longer is cut down to this length before the step (Pascanu,
            Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML
            2013): SSIM's is now and then a thousand times as long as usual. 0 cuts none.
    """
    model.train()
    total, seen = 0.0, 0
    for shown, x in batches:
        with mixed_precision(x.device):
            drawn = model(shown)  # (B, 1, 227, 227)
        value = total_loss(drawn, x, loss)
        optimizer.zero_grad()
        value.backward()
        if gradient_clip:
            nn.utils.clip_grad_norm_(model.parameters(), gradient_clip)
        optimizer.step()
        total += value.detach() * len(x)
        seen += len(x)
        after_step(len(x))
    return float(total) / seen


@torch.inference_mode()
def draw(model: nn.Module, x: Tensor, batch_size: int = 32) -> Tensor:
    """All that the network makes of any number of images, float32, on the device of `x`.

    It is computed on the network's device, in full precision even where the training was not: so a
    score is the same on every machine, and in an exported detector.
    """
    device = next(model.parameters()).device
    model.eval()
    return torch.cat(
        [model(batch.to(device)).float().to(x.device) for batch in x.split(batch_size)]
    )


def reconstruct(model: nn.Module, x: Tensor) -> Tensor:
    """X' = D(E(x)) for any number of images: (N, 1, 227, 227) float32, on the device of `x`."""
    return draw(model, x)[:, :1]


def repair(model: Denoiser, x: Tensor) -> tuple[Tensor, Tensor]:
    """Repaired images (N, 1, 227, 227), and how likely each pixel is spoiled (N, 227, 227)."""
    drawn = draw(model, x)
    return drawn[:, :1], drawn[:, 1].sigmoid()


def evaluate_loss(x_hat: Tensor, x: Tensor, loss: str) -> float:
    """The mean loss of what was drawn, both (N, 1, 227, 227), or as `spoiled` has it."""
    parts = zip(x_hat.split(32), x.split(32), strict=True)
    return sum(total_loss(a, b, loss).item() * len(a) for a, b in parts) / len(x)


@dataclass
class Training:
    """What a training leaves behind, beside the weights."""

    history: list[dict[str, float]] = field(default_factory=list)  # one row an epoch
    best_epoch: int = 0
    snapshots: dict[int, np.ndarray] = field(default_factory=dict)  # epoch: uint8 (k, 227, 227)

    @property
    def best_loss(self) -> float:
        """The lowest validation loss so far."""
        return self.history[self.best_epoch - 1]["val_loss"] if self.best_epoch else float("inf")

    def is_over(self, settings: Settings) -> bool:
        """True after the last epoch, or `patience` epochs after the best one."""
        waited = len(self.history) - self.best_epoch
        return len(self.history) >= settings.epochs or waited >= settings.patience


class TrainingState:
    """All that a training needs to go on as if it had never stopped."""

    def __init__(self, model: nn.Module, settings: Settings, images: int, least: int):
        self.model, self.settings, self.images = model, settings, images
        self.optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
        self.schedule = step_size(self.optimizer, settings, images, least)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.result = Training()
        self.best_weights: dict[str, Tensor] = {}

    def add_epoch(self, train_loss: float, val_loss: float, seconds: float) -> None:
        """Notes an epoch's losses and seconds, and its weights if they are the best so far."""
        result, epoch = self.result, len(self.result.history) + 1
        is_best = val_loss < result.best_loss
        losses = {"train_loss": train_loss, "val_loss": val_loss}
        result.history.append({"epoch": epoch, **losses, "seconds": seconds})
        if is_best:
            result.best_epoch = epoch
            self.best_weights = copy.deepcopy(self.model.state_dict())


class Callback:
    """What happens beside a training: a progress bar, a checkpoint, snapshots."""

    def begin(self, state: TrainingState) -> None:
        """Before the first epoch; may restore the state of a training that was stopped."""

    def after_step(self, count: int) -> None:
        """After each step, with the number of images in its batch."""

    def after_epoch(self, state: TrainingState) -> None:
        """After each epoch that is noted in the history."""

    def end(self) -> None:
        """At the end, whatever ends it."""


def fit(
    model: nn.Module,
    x_train: Tensor,
    x_val: Tensor,
    settings: Settings,
    callbacks: Sequence[Callback] = (),
    processes: OneProcess = OneProcess(),  # noqa: B008, it has no state
) -> Training:
    """Trains with Adam until the validation loss has not fallen for `patience` epochs.

    The model ends with the weights of the epoch that had the lowest validation loss.

    Args:
        model: the network, on the device of the images; changed in place.
        x_train: images to learn, (N, 1, 227, 227) in [0, 1], flips included.
        x_val: images to watch the training with; no flipped twin of them may be in `x_train`.
        settings: loss, learning_rate, gradient_clip, one_cycle, batch_size, epochs, epoch_images,
            patience, denoise, from_mean and seed are used.
        callbacks: what else is done before, during and after it.
        processes: those that share the training.

    Raises:
        CourseError: if the loss was never a number, or there are too few images in a batch for
            all processes. A loss that stops being a number later ends the training with a warning
            and the best weights so far.
    """
    least = _least_batch(settings, processes)
    shown_val, wanted_val, linear = x_val, x_val, None
    if settings.from_mean or settings.denoise:
        model.start_from(x_train)
    if settings.denoise:  # the same stains after each epoch
        linear = CrossFitted(x_train, PCA_SIZE)
        generator = torch.Generator().manual_seed(settings.seed)
        ((shown_val, wanted_val),) = spoiled([x_val], x_train, generator, model.linear)
    state = TrainingState(model, settings, epoch_images(len(x_train), settings), least)
    for callback in callbacks:
        callback.begin(state)
    network, result = processes.wrap(model), state.result

    def after_step(count: int) -> None:
        state.schedule.step()
        for callback in callbacks:
            callback.after_step(count)

    try:
        while not result.is_over(settings):
            start = time.perf_counter()
            batches = training_batches(x_train, settings, state.generator, least, linear)
            batches = processes.share(batches)
            train_loss = train_epoch(
                network, state.optimizer, batches, settings.loss, after_step, settings.gradient_clip
            )
            processes.average_statistics(model)
            val_loss = evaluate_loss(draw(model, shown_val), wanted_val, settings.loss)
            # The same numbers in all processes, which so stop after the same epoch.
            train_loss, val_loss = processes.mean(train_loss, val_loss)
            if not math.isfinite(train_loss + val_loss):
                break  # weights that are no numbers never recover, and are not kept
            state.add_epoch(train_loss, val_loss, time.perf_counter() - start)
            for callback in callbacks:
                callback.after_epoch(state)
    finally:
        for callback in callbacks:
            callback.end()
    _take_best(state, processes)
    return result


def _least_batch(settings: Settings, processes: OneProcess) -> int:
    """Images that a batch must have: batch normalisation needs two in each process."""
    least = 2 * processes.count
    if settings.batch_size < least:
        raise CourseError(
            f"{processes.count} processes need batches of at least {least} images; raise "
            f"'batch_size', now {settings.batch_size}."
        )
    return least


def _take_best(state: TrainingState, processes: OneProcess) -> None:
    """Gives the model its best weights, and says if the training broke off."""
    result, remedy = state.result, "lower 'learning_rate', or try another 'seed'"
    if not state.best_weights:
        raise CourseError(f"The loss was no number from the first epoch on; {remedy}.")
    state.model.load_state_dict(state.best_weights)
    if processes.is_first and not result.is_over(state.settings):
        print(
            f"Warning: the loss was no number in epoch {len(result.history) + 1}; the weights of "
            f"epoch {result.best_epoch} are kept. To train on, {remedy}."
        )


def step_size(
    optimizer: torch.optim.Optimizer, settings: Settings, images: int, least: int = 2
) -> torch.optim.lr_scheduler.LRScheduler:
    """The step size: constant, or one cycle (Smith and Topin, "Super-convergence", 2018)."""
    if not settings.one_cycle:
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
