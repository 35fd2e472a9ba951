"""What this machine can do: `python tests/bench.py`.

Each part runs in a new process, so that none finds what another one has loaded, and memory is
counted from nothing. Speeds are those of one run on one machine; what can be compared between
machines are the ratios.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from pytorch_msssim import ssim
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from course_ae import metrics
from course_ae.baselines import PCA_SIZE, CrossFitted
from course_ae.command.tables import plain_table
from course_ae.data import Sample, load_samples, select
from course_ae.experiment.run_folder import draw_samples
from course_ae.preprocessing import load_images, preprocess, to_tensor, with_flips
from course_ae.scoring import SLIDES_SCORES, difference_maps, mean_score
from course_ae.settings import PROFILES, Settings, make_settings
from course_ae.support.device import choose_device
from course_ae.support.fast_conv import FastConvTranspose2d
from course_ae.training import (
    build_model,
    epoch_images,
    evaluate_loss,
    reconstruct,
    step_size,
    train_epoch,
    training_batches,
)

BOTTLE = 209  # good training images of class bottle
IMAGES, VAL = 48, 6  # of the race, each image with its flips
WHOLE_EPOCHS = 14  # of a narrow network, from first to last
SPEED_EPOCHS = 3  # of the slides' network
STEPS = 12  # to measure the speed of a profile's network
MAPS, MAP_SIZE = 83, 900  # test images of class bottle


def measure() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and figures of one part after the other, for the table and for JSON."""
    device = choose_device()
    yield (
        "machine",
        {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "system": platform.system(),
            "torch": torch.__version__,
        },
    )
    draw_samples("bottle")  # before the clock runs
    parts = {
        "start": start,
        "training": training,
        "scoring": scoring,
        "au_pro": au_pro,
        "memory": memory,
        "profiles": profiles,
    }
    for name, part in parts.items():
        yield name, _alone(part)


def _alone(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a function that runs in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(part).result()


def start() -> dict[str, Any]:
    """Seconds to decode all images the first time, and to find them in the cache the next time."""
    samples, seconds = _samples(), []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_AE_CACHE"] = folder
        for _ in range(2):
            begin = time.perf_counter()
            load_images(samples)
            seconds.append(time.perf_counter() - begin)
    first, second = seconds
    return {
        "images": len(samples),
        "first_seconds": first,
        "second_seconds": second,
        "ratio": first / second,
    }


def training() -> dict[str, Any]:
    """Our training beside the plain loop: the speed of the slides' network, the loss of the quick.

    The losses are compared at the end of a whole recipe whose step size falls to nothing. In the
    middle of a training they go up and down by more than they differ.
    """
    fast = _race(make_settings("slides", epochs=SPEED_EPOCHS))
    # From plain gray, as a plain loop begins.
    whole = _race(make_settings("quick", from_mean=False, learning_rate=2e-3, epochs=WHOLE_EPOCHS))
    return {
        **{name: value for name, value in fast.items() if "loss" not in name},
        "epochs": whole["epochs"],
        **{name: value for name, value in whole.items() if "loss" in name},
        "quick_ratio": whole["ratio"],
    }


def _race(settings: Settings) -> dict[str, Any]:
    """Both loops in turns, epoch by epoch, so that the machine's moods meet both.

    They start from the same weights and see the same images in the same order.
    """
    device = choose_device()
    samples = select(_samples(), "train")[: IMAGES + VAL]
    x = to_tensor(load_images(samples)).to(device)
    x_train, x_val = with_flips(x[:IMAGES]), with_flips(x[IMAGES:])
    files = FlippedFiles([sample.path for sample in samples[:IMAGES]])
    ours = build_model(settings, device)
    plain = _plain_twin(ours, settings)
    adam = torch.optim.Adam(ours.parameters(), settings.learning_rate, fused=True)
    plain_adam = torch.optim.Adam(plain.parameters(), settings.learning_rate)
    steps, plain_steps = (step_size(a, settings, len(x_train), least=2) for a in (adam, plain_adam))
    generator, order = (torch.Generator().manual_seed(settings.seed) for _ in range(2))

    def epoch() -> None:
        batches = training_batches(x_train, settings, generator)
        train_epoch(ours, adam, batches, settings.loss, lambda count: steps.step())

    def plain_epoch() -> None:
        indices = torch.randperm(len(files), generator=order).tolist()
        loader = DataLoader(files, settings.batch_size, sampler=indices)
        _plain_epoch(plain, plain_adam, plain_steps, loader)

    seconds, plain_seconds, losses, plain_losses = [], [], [], []
    for _ in range(settings.epochs):
        seconds.append(_seconds(epoch))
        plain_seconds.append(_seconds(plain_epoch))
        for model, found in ((ours, losses), (plain, plain_losses)):
            found.append(evaluate_loss(reconstruct(model, x_val), x_val, settings.loss))
    speed, plain_speed = (len(x_train) / np.median(s) for s in (seconds, plain_seconds))
    return {
        "images_per_second": speed,
        "plain_images_per_second": plain_speed,
        "ratio": speed / plain_speed,
        "images": len(x_train),
        "epochs": settings.epochs,
        "losses": losses,
        "plain_losses": plain_losses,
        "loss_ratio": losses[-1] / plain_losses[-1],
    }


class FlippedFiles(Dataset):
    """Image files as a student's data set has them: each is decoded when its turn comes."""

    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return 3 * len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        flip, number = divmod(index, len(self.paths))
        x = to_tensor(preprocess(self.paths[number])[None])[0]  # (1, 227, 227)
        return (x, x.flip(-1), x.flip(-2))[flip]


def _plain_twin(model: nn.Module, settings: Settings) -> nn.Module:
    """The same network with the same weights, its transposed convolutions as torch has them."""
    twin = build_model(settings, next(model.parameters()).device)
    for layer in twin.modules():
        if isinstance(layer, FastConvTranspose2d):
            layer.__class__ = nn.ConvTranspose2d
    twin.load_state_dict(model.state_dict())
    return twin.to(memory_format=torch.contiguous_format)


def _plain_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: torch.optim.lr_scheduler.LRScheduler,
    loader: DataLoader,
) -> None:
    device = next(model.parameters()).device
    model.train()
    for x in loader:
        x = x.to(device)
        loss = 1 - ssim(model(x), x, data_range=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps.step()


def scoring() -> dict[str, Any]:
    """Images a second from preprocessed image to both of the slides' scores."""
    device = choose_device()
    x = to_tensor(load_images(_samples()[:64])).to(device)
    model = build_model(make_settings("slides"), device)

    def score() -> None:
        x_hat = reconstruct(model, x)
        for name in SLIDES_SCORES:
            mean_score(difference_maps(x, x_hat, name)).cpu()

    return {"images": len(x), "images_per_second": len(x) / min(_seconds(score) for _ in range(5))}


def au_pro() -> dict[str, Any]:
    """Seconds for AU-PRO on as many maps of the size as class bottle has test images."""
    random = np.random.default_rng(0)
    maps = [random.random((MAP_SIZE, MAP_SIZE), dtype=np.float32) for _ in range(MAPS)]
    masks = [np.zeros((MAP_SIZE, MAP_SIZE), bool) for _ in range(MAPS)]
    size = MAP_SIZE // 6
    for i, mask in enumerate(masks):
        mask[i : i + size, size : 2 * size] = i % 4 > 0
    begin = time.perf_counter()
    value = metrics.au_pro(maps, masks)
    return {
        "maps": MAPS,
        "size": MAP_SIZE,
        "seconds": time.perf_counter() - begin,
        "value": value,
        "peak_gb": peak_memory(),
    }


def memory() -> dict[str, Any]:
    """Peak memory of an epoch of the slides' training on as many images as class bottle has."""
    settings, device = make_settings("slides", epochs=1), choose_device()
    x = to_tensor(load_images(select(_samples(), "train")))
    x = with_flips(x.repeat(2, 1, 1, 1)[:BOTTLE]).to(device)  # fewer bottles are drawn
    model = build_model(settings, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    batches = training_batches(x, settings, torch.Generator().manual_seed(0))
    train_epoch(model, optimizer, _first(batches, STEPS), settings.loss, int)
    reconstruct(model, x[:64])
    found = {"training_peak_gb": peak_memory()}
    if device.type == "cuda":
        found["training_peak_gpu_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
    return found


def profiles() -> dict[str, Any]:
    """How long each profile trains here at most, on as many images as class bottle has."""
    x = to_tensor(load_images(select(_samples(), "train"))).to(choose_device())
    return {name: _profile(x, make_settings(name)) for name in PROFILES}


def _profile(x: Tensor, settings: Settings) -> dict[str, float]:
    model = build_model(settings, x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    generator = torch.Generator().manual_seed(settings.seed)

    linear = None
    if settings.denoise:  # paints stains, and asks PCA about them
        model.start_from(x)
        linear = CrossFitted(x, PCA_SIZE)

    def steps() -> None:
        batches = _first(training_batches(x, settings, generator, linear=linear), STEPS)
        train_epoch(model, optimizer, batches, settings.loss, int)

    steps()  # the first ones are slower
    speed = STEPS * settings.batch_size / _seconds(steps)
    val = round(settings.val_fraction * BOTTLE)
    images = epoch_images((BOTTLE - val) * (3 if settings.flips else 1), settings)
    return {
        "images_per_second": speed,
        "epochs": settings.epochs,
        "seconds_at_most": settings.epochs * images / speed,
    }


def _first(batches: Iterator[tuple[Tensor, Tensor]], count: int) -> Iterator[tuple[Tensor, Tensor]]:
    for _, batch in zip(range(count), batches, strict=False):
        yield batch


def _samples() -> list[Sample]:
    return load_samples(draw_samples("bottle") / "bottle")


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def peak_memory() -> float:
    """The most memory this process has had, in GB (1e9 bytes)."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def table(found: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """The figures of `measure` as a table: what, ours, the reference beside it, the ratio."""
    t, s = found["training"], found["start"]
    rows = [
        ("", "here", "beside it", "ratio"),
        (
            "training, slides' network",
            f"{t['images_per_second']:.1f} images/s",
            f"{t['plain_images_per_second']:.1f} images/s, plain loop",
            f"{t['ratio']:.1f}",
        ),
        (
            f"validation loss, quick, {t['epochs']} epochs",
            f"{t['losses'][-1]:.4f}",
            f"{t['plain_losses'][-1]:.4f}, plain loop",
            f"{t['loss_ratio']:.3f}",
        ),
        (
            f"start with {s['images']} images",
            f"{s['second_seconds']:.2f} s",
            f"{s['first_seconds']:.1f} s, the first time",
            f"{s['ratio']:.0f}",
        ),
        ("scoring", f"{found['scoring']['images_per_second']:.0f} images/s", "", ""),
        (
            "AU-PRO, {maps} maps of {size}x{size}".format(**found["au_pro"]),
            "{seconds:.1f} s, {peak_gb:.1f} GB".format(**found["au_pro"]),
            "",
            "",
        ),
        ("peak memory, training", f"{found['memory']['training_peak_gb']:.2f} GB", "", ""),
    ]
    for name, p in found["profiles"].items():
        minutes = f"{p['seconds_at_most'] / 60:.1f} min"
        speed = f"{p['epochs']} epochs, {p['images_per_second']:.0f} images/s"
        rows.append((f"profile {name}, at most", minutes, speed, ""))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measures, and prints a table or JSON; a word on standard error says how far it is."""
    parser = argparse.ArgumentParser(description="Measures speed and memory (some minutes).")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.add_argument("--device", default="", metavar="NAME", help="cpu, cuda or mps")
    args = parser.parse_args(arguments)
    if args.device:
        os.environ["COURSE_AE_DEVICE"] = args.device  # the processes of the parts see it too
    found = {}
    for name, figures in measure():
        found[name] = figures
        print(f"{name} ...", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    print("{device}, {cores} cores, {threads} threads, torch {torch}".format(**found["machine"]))
    print(plain_table(table(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
