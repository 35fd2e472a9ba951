"""The stages of a run, one after the other. Each finds what was made before, or makes it.

Lessons 02 to 07 call these, so a lesson can be opened on its own: `prepare` (02), `trained` (04),
`scored` (05), `evaluation.evaluate` (06), `repairing` and `scored_best` (07).
"""

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from course_ae import distributed
from course_ae.checkpoints import write_weights
from course_ae.config import PROFILES, REPAIR, CourseError, Settings
from course_ae.data import count_folders, load_mask
from course_ae.files import read_arrays, replace_file
from course_ae.images import image_size
from course_ae.model import ConvAutoencoder, count_parameters
from course_ae.preprocessing import load_images, split_validation, to_tensor, with_flips
from course_ae.runs import Run, damaged, read_csv, reserved, update_summary, write_csv
from course_ae.scoring import (
    DIFFERENCES,
    best_map,
    difference_maps,
    difference_scores,
    highest,
    usual_maps,
    widened,
)
from course_ae.thresholds import split_test
from course_ae.training import (
    Training,
    build_model,
    choose_device,
    depends_on_input,
    enough_memory,
    evaluate_loss,
    fit,
    mixed_precision,
    reconstruct,
    require_memory,
)

BYTES_A_PIXEL = 21  # that AU-PRO needs, measured by `course-ae bench`
WATCHED = 5  # images whose reconstructions are kept along the training


Rebuild = Callable[[Tensor], Tensor]  # images (N, 1, 227, 227) to their reconstructions


@dataclass(frozen=True)
class Images:
    """The network's input, float32 (N, 1, 227, 227) in [0, 1]."""

    good: Tensor  # all good training images, no flips
    known: Tensor  # those trained on, no flips
    held_out: Tensor  # those held out before flipping, no flips
    train: Tensor  # those trained on, with their flips where the settings say so
    validation: Tensor  # those held out, likewise
    test: Tensor

    @property
    def mean(self) -> Tensor:
        """The mean image of the images trained on, (1, 1, 227, 227)."""
        return self.known.mean(dim=0, keepdim=True)


@dataclass(frozen=True)
class Scores:
    """The test images with their maps and scores, in the order of `Run.test`."""

    names: list[str]
    defects: np.ndarray  # (N,) names of the defects, "good" for none
    labels: np.ndarray  # (N,) 1 for defective
    validation: np.ndarray  # (V,) indices of the images for the threshold search
    test: np.ndarray  # (T,) indices of the images for the test
    values: dict[str, np.ndarray]  # one (N,) array a kind of score, higher is more anomalous
    maps: dict[str, Tensor] = field(default_factory=dict)  # one (N, 227, 227) a kind
    good: dict[str, np.ndarray] = field(default_factory=dict)  # (M,) a kind, held-out good ones

    def part(self, kind: str, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Scores and labels, (P,) each, of one part, 'validation' or 'test'."""
        index = getattr(self, part)
        return self.values[kind][index], self.labels[index]


def progress_bar(items: Iterable, label: str) -> Iterable:
    """A bar on standard output, in a notebook as in a terminal."""
    return tqdm(items, label, file=sys.stdout, mininterval=1, leave=False)


def require_readable(run: Run) -> None:
    """Decodes all images and masks and tries both splits, so that a run need not stop half-way.

    Raises:
        CourseError: if a file cannot be read as an image, there are too few images to split, or
            network or images are too large for this machine.
    """
    s = run.settings
    require_memory(s, choose_device())
    split_validation(len(run.train), s.validation_fraction, s.seed)
    split_test(np.array([sample.label for sample in run.test]), s.threshold_fraction, s.seed)
    pixels = 0
    for sample in run.test:
        load_mask(sample)
        pixels += math.prod(image_size(sample.path))
    if all(sample.mask_path for sample in run.test if sample.label):
        _require_room_for_maps(run, BYTES_A_PIXEL * pixels)
    bar = partial(progress_bar, label="decoding") if sys.stdout.isatty() else iter
    _decoded(run, bar)  # the lessons find them in the cache


def _require_room_for_maps(run: Run, needed: float) -> None:
    """Maps are compared with masks at the images' own size, all of them at once."""
    there = psutil.virtual_memory().total
    if needed > there:
        raise CourseError(
            f"The {len(run.test)} test images in '{run.root}' are so large that their maps need "
            f"{needed / 1e9:.0f} GB of memory, and there are {there / 1e9:.0f}; save images and "
            "masks in a smaller size, as 'course-ae import' does."
        )


def _decoded(run: Run, progress: Callable[[Iterable], Iterable]) -> np.ndarray:
    """All images, uint8 (N, 227, 227); there must be something to learn from them."""
    pixels = load_images(run.samples, progress)
    train = [i for i, sample in enumerate(run.samples) if sample.split == "train"]
    flat = pixels[train].reshape(len(train), -1)
    blank = np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))
    if len(blank):
        raise CourseError(
            f"'{run.samples[train[blank[0]]].path}' is a single gray level without a product, as "
            f"are {len(blank) - 1} more training images; take them out."
        )
    if (flat == flat[0]).all():
        raise CourseError(
            f"All {len(train)} images in '{run.samples[train[0]].path.parent}' are the same; put "
            "photographs of different products there."
        )
    return pixels


def prepare(run: Run) -> Images:
    """Preprocessed images, split into training and validation and then flipped.

    Raises:
        CourseError: if an image cannot be read, or there is nothing to learn from the good ones:
            one is a single gray level, or all are the same.
    """
    pixels = _decoded(run, partial(progress_bar, label="decoding"))
    x = to_tensor(pixels)  # (N, 1, 227, 227)
    is_train = torch.tensor([sample.split == "train" for sample in run.samples])
    good, s = x[is_train], run.settings
    train, validation = split_validation(len(good), s.validation_fraction, s.seed)
    known, held_out = good[train], good[validation]
    flip = with_flips if s.flips else torch.clone
    images = Images(good, known, held_out, flip(known), flip(held_out), x[~is_train])
    found = count_folders(run.samples)
    defective = sum(sample.label for sample in run.test)
    counts = {
        "train": len(good),
        "train_augmented": len(images.train) + len(images.validation),
        "test_good": found["test/good"],
        "test_defective": defective,
    }
    update_summary(run, counts=counts)
    return images


def trained(run: Run, images: Images) -> ConvAutoencoder:
    """The trained network of the run; it is trained now if no lesson has done so before."""
    return _network(run, images, "model", partial(_keep_training, run, images))


def repairing(run: Run, images: Images) -> ConvAutoencoder:
    """A network trained to repair: the run's own one, or else a second one of its size."""
    if run.settings.repair:
        return trained(run, images)
    settings = repair_settings(run.settings)
    images = replace(images, train=images.known, validation=images.held_out)

    def keep(model: ConvAutoencoder, result: Training) -> None:
        update_summary(run, repair_training=_training_facts(settings, images, model, result))

    return _network(replace(run, settings=settings), images, "repair", keep)


def repair_settings(settings: Settings) -> Settings:
    """Those of the second network, the size of the first, that lesson 07 trains to repair."""
    # Without flips an epoch is a third as long, so there may be more of them.
    epochs = min(2 * settings.epochs, PROFILES["best"]["epochs"])
    return replace(settings, **REPAIR, epochs=epochs, patience=epochs)


def _network(
    run: Run, images: Images, name: str, keep: Callable[[ConvAutoencoder, Training], None]
) -> ConvAutoencoder:
    """The network in the file `name`.pt; without it one is trained and `keep` told the result."""
    path, checkpoint = run.folder / f"{name}.pt", run.folder / f"{name}.checkpoint"
    require_memory(run.settings, choose_device())
    model = build_model(run.settings, choose_device())
    if path.is_file():
        return _found(model, path)
    if not distributed.is_first():
        _fit(run, images, model, checkpoint)
        return model
    with reserved(run, "training", patience=10):
        if path.is_file():  # made while we waited
            return _found(model, path)
        word = "Going on with the training" if checkpoint.is_file() else "Training"
        print(f"{word}; the network is kept as {path.name} in the run folder, for other lessons.")
        result = _fit(run, images, model, checkpoint)
        kept = f"kept the weights of epoch {result.best_epoch}"
        print(f"Stopped after epoch {len(result.history)}; {kept}.")
        keep(model, result)
        write_weights(path, model.state_dict())  # last: its presence says that all is there
        checkpoint.unlink(missing_ok=True)
    return model


def _found(model: ConvAutoencoder, path: Path) -> ConvAutoencoder:
    load_weights(model, path)
    path.with_suffix(".checkpoint").unlink(missing_ok=True)  # of a stop at the very end
    if distributed.is_first():
        print(f"Found the trained network, {path.name}, in '{path.parent.name}'.")
    return model


def load_weights(model: ConvAutoencoder, path: Path) -> None:
    """Reads a network's weights; a file from a stranger cannot run code.

    Raises:
        CourseError: if the file is missing, damaged, or of another network.
    """
    try:
        device = next(model.parameters()).device
        model.load_state_dict(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise CourseError(f"'{path}' is no model of this run; delete it and repeat.") from error


def _fit(run: Run, images: Images, model: ConvAutoencoder, checkpoint: Path) -> Training:
    device = next(model.parameters()).device
    train, validation = images.train.to(device), images.validation.to(device)
    watch, s = images.good[:WATCHED].to(device), run.settings
    remedy = (
        "what was learnt so far is kept: close other programs and go on with --resume, or begin "
        f"anew with a smaller 'batch_size' (now {s.batch_size}) or 'width' (now {s.width})"
    )
    with enough_memory(remedy):
        return fit(model, train, validation, s, watch, checkpoint)


def _keep_training(run: Run, images: Images, model: ConvAutoencoder, result: Training) -> None:
    write_csv(run.folder / "history.csv", result.history)
    with replace_file(run.folder / "snapshots.npz") as part, part.open("wb") as file:
        np.savez_compressed(file, **{str(k): v for k, v in result.snapshots.items()})
    facts = _training_facts(run.settings, images, model, result)
    update_summary(run, parameters=count_parameters(model), training=facts)


def _training_facts(
    settings: Settings, images: Images, model: ConvAutoencoder, result: Training
) -> dict[str, float]:
    best = result.history[result.best_epoch - 1]
    seconds = sum(row["seconds"] for row in result.history)
    spread = depends_on_input(model, images.good.to(next(model.parameters()).device))
    if spread.collapsed:
        print(
            f"Warning: the output varies only {spread.ratio:.2f} times as much as the input. The "
            "network draws nearly the same picture for every image; try another seed, more epochs "
            "or batch_norm=True."
        )
    mean = images.train.mean(dim=0, keepdim=True).expand_as(images.validation)
    return {
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "train_loss": best["train_loss"],
        "val_loss": best["val_loss"],
        "mean_image_loss": evaluate_loss(mean, images.validation, settings.loss),
        "output_std_over_images": spread.output_std,
        "input_std_over_images": spread.input_std,
        "seconds": seconds,
        "images_per_second": len(images.train) * len(result.history) / seconds,
    }


def read_history(run: Run) -> list[dict[str, float]]:
    """One row an epoch: epoch, train_loss, val_loss, seconds."""
    rows = read_csv(run.folder / "history.csv")
    return [{name: float(value) for name, value in row.items()} for row in rows]


def read_snapshots(run: Run) -> dict[int, np.ndarray]:
    """Reconstructions of the first good images after some epochs: uint8 (5, 227, 227) each.

    Raises:
        CourseError: if they are missing or damaged.
    """
    path = run.folder / "snapshots.npz"
    with damaged(path):
        return {int(name): images for name, images in read_arrays(path).items()}


def rebuild(model: ConvAutoencoder, x: Tensor) -> Tensor:
    """Reconstructions (N, 1, 227, 227) on the processor, computed where and as it was trained."""
    device = next(model.parameters()).device
    with mixed_precision(device):  # twice as fast, and AUROC moves by less than 0.002
        return reconstruct(model, x.to(device)).float().cpu()


def score_table(run: Run, images: Images, rebuild: Rebuild, kinds: Iterable[str]) -> Scores:
    """Maps and scores of the test images, and their split into validation and test.

    Args:
        run: gives the names, the labels and the settings of the split.
        images: what to score.
        rebuild: the network, or whatever stands in its place.
        kinds: 'l2' and 'ssim' are the slides' scores, the mean of a difference map; 'best' is the
            highest value of the map of lesson 07, which is widened after that.
    """
    labels = np.array([sample.label for sample in run.test])
    names = [sample.name for sample in run.test]
    defects = np.array([sample.defect for sample in run.test])
    split = split_test(labels, run.settings.threshold_fraction, run.settings.seed)
    scores = Scores(names, defects, labels, *split, values={})
    parts = {"test": images.test, "held_out": images.held_out, "known": images.known}
    rebuilt = {name: rebuild(x) for name, x in parts.items()}
    for kind in kinds:
        for name, values in (("test", scores.values), ("held_out", scores.good)):
            if kind == "best":
                known, known_hat = images.known, rebuilt["known"]
                maps = best_map(parts[name], rebuilt[name], known, known_hat)
                found, maps = highest(maps), widened(maps)
            else:
                maps = difference_maps(parts[name], rebuilt[name], kind)
                found = difference_scores(maps)
            values[kind] = found.double().numpy()
            if name == "test":
                scores.maps[kind] = maps
    return scores


def scored(run: Run, images: Images, model: ConvAutoencoder) -> Scores:
    """The slides' two scores of all test images, also written to scores.csv."""
    scores = score_table(run, images, partial(rebuild, model), DIFFERENCES)
    _keep_scores(run, scores)
    return scores


def scored_best(run: Run, images: Images, model: ConvAutoencoder, scores: Scores) -> Scores:
    """Adds the score of lesson 07, from a network that repairs, to `scores` and to scores.csv.

    What is usual of good images is kept as usual.npz, for new images.
    """
    best = score_table(run, images, partial(rebuild, model), ["best"])
    usual = usual_maps(images.known, rebuild(model, images.known))
    with replace_file(run.folder / "usual.npz") as part, part.open("wb") as file:
        np.savez(file, **{kind: maps.numpy() for kind, maps in usual.items()})
    for name in ("maps", "values", "good"):
        getattr(scores, name).update(getattr(best, name))
    _keep_scores(run, scores)
    return scores


def _keep_scores(run: Run, scores: Scores) -> None:
    path = run.folder / "scores.csv"
    before = read_csv(path) if path.is_file() else []
    before = (
        before if [row.get("path") for row in before] == scores.names else [{}] * len(scores.names)
    )
    in_validation = set(scores.validation.tolist())
    rows = [
        {
            "path": name,
            "defect": scores.defects[i],
            "label": int(scores.labels[i]),
            "split": "validation" if i in in_validation else "test",
            **{kind: float(values[i]) for kind, values in scores.values.items()},
        }
        for i, name in enumerate(scores.names)
    ]
    write_csv(path, [{**row, **_others(old, row)} for row, old in zip(rows, before, strict=True)])


def _others(old: dict[str, str], row: dict[str, Any]) -> dict[str, str]:
    """Scores that a later lesson wrote and this one has not computed."""
    return {kind: value for kind, value in old.items() if kind not in row}
