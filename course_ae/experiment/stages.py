"""The stages of a run, one after the other. Each finds what was made before, or makes it.

Lessons 02 to 08 call these, so a lesson can be opened on its own: `prepare` (02), `trained` (04),
`scored` (05), `evaluation.evaluate` (07), `denoiser` and `scored_normalised` (08).
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from course_ae.baselines import PCA_SIZE, LinearAutoencoder, cross_fitted
from course_ae.data import count_folders, load_mask
from course_ae.experiment.callbacks import Checkpoint, Progress, Snapshots
from course_ae.experiment.dependence import depends_on_input
from course_ae.experiment.run_folder import Run, damaged, reserved, update_summary
from course_ae.model import ConvAutoencoder, Denoiser, count_parameters
from course_ae.preprocessing import Images, load_images, split_images, split_train_val, to_tensor
from course_ae.scoring import (
    SLIDES_SCORES,
    Reference,
    Scores,
    difference_maps,
    fine_and_wide,
    max_score,
    mean_score,
    normalised_map,
    reference_statistics,
    smooth,
)
from course_ae.settings import DENOISE, PROFILES, Settings, make_settings
from course_ae.support.checkpoints import load_weights, write_weights
from course_ae.support.device import choose_device, enough_memory
from course_ae.support.errors import CourseError
from course_ae.support.files import read_arrays, read_csv, write_arrays, write_csv
from course_ae.support.processes import OneProcess
from course_ae.thresholds import split_test
from course_ae.training import (
    Training,
    build_model,
    epoch_images,
    evaluate_loss,
    fit,
    reconstruct,
    repair,
)

WATCHED = 5  # images whose reconstructions are kept along the training
ALONE = OneProcess()

Reconstruct = Callable[[Tensor], Tensor]  # images (N, 1, 227, 227) to their reconstructions
# Images (N, 1, 227, 227) to repaired ones and, or None, how likely each pixel is spoiled (N, H, W).
Repair = Callable[[Tensor], tuple[Tensor, Tensor | None]]


def progress_bar(items: Iterable, label: str) -> Iterable:
    """A bar on standard output, in a notebook as in a terminal."""
    return tqdm(items, label, file=sys.stdout, mininterval=1, leave=False)


def require_readable(run: Run) -> None:
    """Decodes all images and masks and tries both splits, so that a run need not stop half-way.

    Raises:
        CourseError: if a file cannot be read as an image, or there are too few images to split.
    """
    s = run.settings
    split_train_val(len(run.train), s.val_fraction, s.seed)
    split_test(np.array([sample.label for sample in run.test]), s.calibration_fraction, s.seed)
    for sample in run.test:
        load_mask(sample)
    bar = partial(progress_bar, label="decoding") if sys.stdout.isatty() else iter
    _decoded(run, bar)  # the lessons find them in the cache


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
    """Preprocessed images, split into train and val and then flipped.

    Raises:
        CourseError: if an image cannot be read, or there is nothing to learn from the good ones:
            one is a single gray level, or all are the same.
    """
    x = to_tensor(_decoded(run, partial(progress_bar, label="decoding")))  # (N, 1, 227, 227)
    is_train = torch.tensor([sample.split == "train" for sample in run.samples])
    images = split_images(x[is_train], x[~is_train], run.settings)
    counts = {
        "train": len(images.good),
        "train_augmented": len(images.train_augmented) + len(images.val_augmented),
        "test_good": count_folders(run.samples)["test/good"],
        "test_defective": sum(sample.label for sample in run.test),
    }
    update_summary(run, counts=counts)
    return images


def trained(run: Run, images: Images, processes: OneProcess = ALONE) -> ConvAutoencoder:
    """The trained network of the run; it is trained now if no lesson has done so before."""

    def keep(model: ConvAutoencoder, result: Training) -> None:
        write_csv(run.folder / "history.csv", result.history)
        snapshots = {str(epoch): drawn for epoch, drawn in result.snapshots.items()}
        write_arrays(run.folder / "snapshots.npz", **snapshots)
        facts = _training_facts(run.settings, images, model, result)
        pca = LinearAutoencoder(images.train, PCA_SIZE)
        facts["pca_loss"] = evaluate_loss(pca(images.val), images.val, run.settings.loss)
        update_summary(run, parameters=count_parameters(model), training=facts)

    return _network(run, images, "model", keep, processes)


def denoiser(run: Run, images: Images, processes: OneProcess = ALONE) -> Denoiser:
    """A network that repairs images and marks stains: the run's own, or a second of its size."""
    if run.settings.denoise:
        return trained(run, images, processes)
    settings = denoiser_settings(run.settings)
    images = replace(images, train_augmented=images.train, val_augmented=images.val)

    def keep(model: ConvAutoencoder, result: Training) -> None:
        update_summary(run, denoiser_training=_training_facts(settings, images, model, result))

    return _network(replace(run, settings=settings), images, "denoiser", keep, processes)


def denoiser_settings(settings: Settings) -> Settings:
    """Those of the second network, the size of the first, that lesson 08 trains.

    Its recipe is lesson 08's, whatever the first network's is; but a learning rate below the
    profile's own lowers this one's as well, and more images an epoch are more here, too.
    """
    epochs = min(settings.epochs, PROFILES["best"]["epochs"])
    usual = make_settings(settings.profile).learning_rate
    step = max(DENOISE["learning_rate"], settings.learning_rate)  # a narrow one takes larger steps
    recipe = DENOISE | {
        "learning_rate": step * min(1, settings.learning_rate / usual),
        "epoch_images": max(DENOISE["epoch_images"], settings.epoch_images),
    }
    return replace(settings, **recipe, epochs=epochs, patience=epochs)


def _network(
    run: Run,
    images: Images,
    name: str,
    keep: Callable[[ConvAutoencoder, Training], None],
    processes: OneProcess,
) -> ConvAutoencoder:
    """The network in the file `name`.pt; without it one is trained and `keep` told the result."""
    path, checkpoint = run.folder / f"{name}.pt", run.folder / f"{name}.checkpoint"
    model = _built(run.settings)
    if path.is_file():
        return _found(model, path, processes)
    if not processes.is_first:
        _fit(run, images, model, checkpoint, processes)
        return model
    with reserved(run, "training", patience=10):
        if path.is_file():  # made while we waited
            return _found(model, path, processes)
        word = "Going on with the training" if checkpoint.is_file() else "Training"
        print(f"{word}; the network is kept as {path.name} in the run folder, for other lessons.")
        result = _fit(run, images, model, checkpoint, processes)
        kept = f"kept the weights of epoch {result.best_epoch}"
        print(f"Stopped after epoch {len(result.history)}; {kept}.")
        keep(model, result)
        write_weights(path, model.state_dict())  # last: its presence says that all is there
        checkpoint.unlink(missing_ok=True)
    return model


def _built(settings: Settings) -> ConvAutoencoder:
    with enough_memory("lower 'width' or 'bottleneck', or close other programs"):
        return build_model(settings, choose_device())


def _found(model: ConvAutoencoder, path: Path, processes: OneProcess) -> ConvAutoencoder:
    load_weights(model, path)
    path.with_suffix(".checkpoint").unlink(missing_ok=True)  # of a stop at the very end
    if processes.is_first:
        print(f"Found the trained network, {path.name}, in '{path.parent.name}'.")
    return model


def _fit(
    run: Run, images: Images, model: ConvAutoencoder, checkpoint: Path, processes: OneProcess
) -> Training:
    device = next(model.parameters()).device
    train, val = images.train_augmented.to(device), images.val_augmented.to(device)
    callbacks = [Snapshots(images.good[:WATCHED]), Checkpoint(checkpoint, processes.is_first)]
    if processes.is_first:
        callbacks.append(Progress(processes.count))
    s = run.settings
    remedy = (
        "what was learnt so far is kept: close other programs and go on with --resume, or begin "
        f"anew with a smaller 'batch_size' (now {s.batch_size}) or 'width' (now {s.width})"
    )
    with enough_memory(remedy):
        return fit(model, train, val, s, callbacks, processes)


def _training_facts(
    settings: Settings, images: Images, model: ConvAutoencoder, result: Training
) -> dict[str, float]:
    best = result.history[result.best_epoch - 1]
    seconds = sum(row["seconds"] for row in result.history)
    spread = depends_on_input(model, images.val)
    if spread.collapsed:
        print(
            f"Warning: the output varies {spread.ratio:.2f} times as much as the input, and "
            f"{spread.nearest_own:.0%} of the reconstructions are nearest to their own image. The "
            "network hardly tells the images apart; try another seed, more epochs or "
            "batch_norm=True."
        )
    train, val = images.train_augmented, images.val_augmented
    mean = train.mean(dim=0, keepdim=True).expand_as(val)
    return {
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "train_loss": best["train_loss"],
        "val_loss": best["val_loss"],
        "mean_image_loss": evaluate_loss(mean, val, settings.loss),
        "output_std_over_images": spread.output_std,
        "input_std_over_images": spread.input_std,
        "nearest_own_image": spread.nearest_own,
        "seconds": seconds,
        "images_per_second": epoch_images(len(train), settings) * len(result.history) / seconds,
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


def new_scores(run: Run) -> Scores:
    """The test images of a run and their two parts, without any score yet."""
    labels = np.array([sample.label for sample in run.test])
    return Scores(
        [sample.name for sample in run.test],
        np.array([sample.defect_type for sample in run.test]),
        labels,
        *split_test(labels, run.settings.calibration_fraction, run.settings.seed),
    )


def add_slides_scores(scores: Scores, images: Images, rebuild: Reconstruct) -> None:
    """Adds the slides' scores, 'l2' and 'ssim', each the mean of its difference map."""
    pairs = [(x, rebuild(x)) for x in (images.test, images.val)]
    for name in SLIDES_SCORES:
        maps, val_maps = (difference_maps(x, x_hat, name) for x, x_hat in pairs)
        scores.add(name, mean_score(maps), maps, mean_score(val_maps))


def add_normalised_score(
    scores: Scores, images: Images, repaired: Repair, train_hat: Tensor
) -> dict[str, Reference]:
    """Adds lesson 08's score, the maximum of the smoothed normalised map; returns its reference.

    The map that is kept is the fine and wide one, which is to cover whole defects. The reference
    comes from the images trained on and their reconstructions, (T, 1, 227, 227).
    """
    reference = reference_statistics(images.train, train_hat)
    maps, val_maps = (
        normalised_map(x, x_hat, reference, stained)
        for x in (images.test, images.val)
        for x_hat, stained in [repaired(x)]
    )
    values, good = (max_score(smooth(some)) for some in (maps, val_maps))
    scores.add("normalised", values, fine_and_wide(maps), good)
    return reference


def repaired_train(model: Denoiser, images: Images) -> Tensor:
    """The images trained on, repaired as if PCA had not learnt from them, (T, 1, 227, 227).

    At one look: where next to nothing is stained, a second one sees the same (measured with three
    products, it moves AUROC and AU-PRO by 0.0001 at most).
    """
    x = images.train
    return reconstruct(model, torch.cat([x, cross_fitted(x, PCA_SIZE)], dim=1))


def scored(run: Run, images: Images, model: ConvAutoencoder) -> Scores:
    """The slides' two scores of all test images, also written to scores.csv."""
    scores = new_scores(run)
    add_slides_scores(scores, images, partial(reconstruct, model))
    _keep_scores(run, scores)
    return scores


def scored_normalised(run: Run, images: Images, model: Denoiser, scores: Scores) -> Scores:
    """Adds the score of lesson 08, from a denoiser, to `scores` and to scores.csv.

    What differences are like on good images is kept in reference.npz, for new images.
    """
    train_hat = repaired_train(model, images)
    reference = add_normalised_score(scores, images, partial(repair, model), train_hat)
    write_reference(run.folder / "reference.npz", reference)
    _keep_scores(run, scores)
    return scores


def write_reference(path: Path, reference: dict[str, Reference]) -> None:
    """Keeps mean and deviation of each difference as arrays (H, W), for example 'l1_mean'."""
    write_arrays(path, **{
        f"{name}_{statistic}": values.numpy()
        for name, statistics in reference.items()
        for statistic, values in statistics._asdict().items()
    })  # fmt: skip


def read_reference(path: Path, shape: tuple[int, int]) -> dict[str, Reference]:
    """What `write_reference` kept.

    Args:
        path: the file.
        shape: height and width in pixels that the arrays must have.

    Raises:
        CourseError: if it is missing or damaged.
    """
    with suppress(CourseError, KeyError, TypeError):
        arrays = read_arrays(path)
        found = {
            name.removesuffix("_mean"): Reference(
                torch.from_numpy(arrays[name]),
                torch.from_numpy(arrays[name.replace("_mean", "_deviation")]),
            )
            for name in arrays
            if name.endswith("_mean")
        }
        if found and all(part.shape == shape for one in found.values() for part in one):
            return found
    raise CourseError(
        f"'{path}' is missing or damaged; 'course-ae evaluate --resume' on this run makes it."
    )


def _keep_scores(run: Run, scores: Scores) -> None:
    """Writes scores.csv; scores that a later lesson wrote there stay."""
    path = run.folder / "scores.csv"
    before = read_csv(path) if path.is_file() else []
    same = [row.get("path") for row in before] == scores.names
    part = np.where(np.isin(np.arange(len(scores.names)), scores.test), "test", "calibration")
    rows = [
        {
            **(before[i] if same else {}),
            "path": name,
            "defect_type": scores.defect_types[i],
            "label": int(scores.labels[i]),
            "part": part[i],
            **{score: float(values[i]) for score, values in scores.values.items()},
        }
        for i, name in enumerate(scores.names)
    ]
    write_csv(path, rows)
