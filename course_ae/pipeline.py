"""The stages of a run, one after the other. Each finds what was made before, or makes it.

Lessons 02 to 06 call these, so a lesson can be opened on its own: `prepare` (02), `trained` (04),
`scored` (05), `evaluate` (06).
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from course_ae import metrics
from course_ae.config import CourseError
from course_ae.data import count_folders, load_mask
from course_ae.files import replace_file
from course_ae.model import ConvAutoencoder, count_parameters
from course_ae.preprocessing import load_images, split_validation, to_tensor, with_flips
from course_ae.runs import Run, read_csv, update_summary, write_csv
from course_ae.scoring import DIFFERENCES, difference_maps, difference_scores
from course_ae.thresholds import (
    Confusion,
    confusion,
    f1_defect,
    f_normal,
    search_threshold,
    split_test,
)
from course_ae.training import (
    build_model,
    choose_device,
    depends_on_input,
    evaluate_loss,
    fit,
    reconstruct,
)

WATCHED = 5  # images whose reconstructions are kept along the training


@dataclass(frozen=True)
class Images:
    """The network's input, float32 (N, 1, 227, 227) in [0, 1]."""

    good: Tensor  # all good training images, no flips
    train: Tensor  # those trained on, with their flips
    validation: Tensor  # those held out before flipping, with their flips
    test: Tensor

    @property
    def mean(self) -> Tensor:
        """The mean image of the images trained on, (1, 1, 227, 227)."""
        return self.train.mean(dim=0, keepdim=True)


@dataclass(frozen=True)
class Scores:
    """The test images with their scores, in the order of `Run.test`."""

    names: list[str]
    defects: np.ndarray  # (N,) names of the defects, "good" for none
    labels: np.ndarray  # (N,) 1 for defective
    validation: np.ndarray  # (V,) indices of the images for the threshold search
    test: np.ndarray  # (T,) indices of the images for the test
    values: dict[str, np.ndarray]  # one (N,) array a score, higher is more anomalous

    def part(self, kind: str, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Scores and labels of one part, 'validation' or 'test'."""
        index = getattr(self, part)
        return self.values[kind][index], self.labels[index]


def progress_bar(items: Iterable, label: str) -> Iterable:
    """A bar on standard output, in a notebook as in a terminal."""
    return tqdm(items, label, file=sys.stdout, mininterval=1, leave=False)


def require_readable(run: Run) -> None:
    """Decodes all images and masks and tries both splits, so that a run need not stop half-way.

    Raises:
        CourseError: if a file cannot be read as an image, or there are too few images to split.
    """
    s = run.settings
    split_validation(len(run.train), s.validation_fraction, s.seed)
    split_test(np.array([sample.label for sample in run.test]), s.threshold_fraction, s.seed)
    for sample in run.test:
        load_mask(sample)
    bar = partial(progress_bar, label="decoding") if sys.stdout.isatty() else iter
    load_images(run.samples, bar)  # the lessons find them in the cache


def prepare(run: Run) -> Images:
    """Preprocessed images, split into training and validation and then flipped."""
    pixels = load_images(run.samples, partial(progress_bar, label="decoding"))
    x = to_tensor(pixels)  # (N, 1, 227, 227)
    is_train = torch.tensor([sample.split == "train" for sample in run.samples])
    good, s = x[is_train], run.settings
    train, validation = split_validation(len(good), s.validation_fraction, s.seed)
    images = Images(good, with_flips(good[train]), with_flips(good[validation]), x[~is_train])
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
    device = choose_device()
    model = build_model(run.settings, device)
    path = run.folder / "model.pt"
    if path.is_file():
        try:
            model.load_state_dict(torch.load(path, map_location=device, weights_only=True))
        except Exception as error:  # torch raises many kinds for a damaged or foreign file
            raise CourseError(f"'{path}' is no model of this run; delete it and repeat.") from error
        print(f"Found the trained model of '{run.folder.name}'.")
        return model
    print("Training; the model is kept in the run folder for the lessons that follow.")
    train, validation = images.train.to(device), images.validation.to(device)
    result = fit(model, train, validation, run.settings, watch=images.good[:WATCHED].to(device))
    _keep_training(run, images, model, result)
    with replace_file(path) as part:  # last, since its presence says that all is there
        torch.save(model.state_dict(), part)
    return model


def _keep_training(run: Run, images: Images, model: ConvAutoencoder, result) -> None:
    write_csv(run.folder / "history.csv", result.history)
    with replace_file(run.folder / "snapshots.npz") as part, part.open("wb") as file:
        np.savez_compressed(file, **{str(k): v for k, v in result.snapshots.items()})
    best = result.history[result.best_epoch - 1]
    seconds = sum(row["seconds"] for row in result.history)
    device = next(model.parameters()).device
    spread = depends_on_input(model, images.good.to(device))
    validation, mean = images.validation, images.mean.expand_as(images.validation)
    training = {
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "train_loss": best["train_loss"],
        "val_loss": best["val_loss"],
        "mean_image_loss": evaluate_loss(mean, validation, run.settings.loss),
        "output_std_over_images": spread.output_std,
        "input_std_over_images": spread.input_std,
        "seconds": seconds,
        "images_per_second": len(images.train) * len(result.history) / seconds,
    }
    update_summary(run, parameters=count_parameters(model), training=training)
    print(f"Stopped after epoch {len(result.history)}; kept the weights of epoch {best['epoch']}.")
    if spread.collapsed:
        print(
            f"Warning: the output varies only {spread.ratio:.2f} times as much as the input. The "
            "network draws nearly the same picture for every image; try another seed, more epochs "
            "or batch_norm=True."
        )


def read_history(run: Run) -> list[dict[str, float]]:
    """One row an epoch: epoch, train_loss, val_loss, seconds."""
    rows = read_csv(run.folder / "history.csv")
    return [{name: float(value) for name, value in row.items()} for row in rows]


def read_snapshots(run: Run) -> dict[int, np.ndarray]:
    """Reconstructions of the first good images after some epochs: uint8 (5, 227, 227) each."""
    with np.load(run.folder / "snapshots.npz") as file:
        return {int(name): file[name] for name in file.files}


def rebuild(model: ConvAutoencoder, x: Tensor) -> Tensor:
    """Reconstructions (N, 1, 227, 227) on the processor, computed where the model is."""
    return reconstruct(model, x.to(next(model.parameters()).device)).float().cpu()


def score_table(run: Run, x: Tensor, x_hat: Tensor) -> Scores:
    """Difference scores of the test images `x` and their split into validation and test."""
    labels = np.array([sample.label for sample in run.test])
    s = run.settings
    validation, test = split_test(labels, s.threshold_fraction, s.seed)
    values = {
        kind: difference_scores(difference_maps(x, x_hat, kind)).double().numpy()
        for kind in DIFFERENCES
    }
    names = [sample.name for sample in run.test]
    defects = np.array([sample.defect for sample in run.test])
    return Scores(names, defects, labels, validation, test, values)


def scored(run: Run, images: Images, model: ConvAutoencoder) -> Scores:
    """The scores of all test images, also written to scores.csv."""
    scores = score_table(run, images.test, rebuild(model, images.test))
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
    write_csv(run.folder / "scores.csv", rows)
    return scores


def judge(run: Run, scores: Scores, kind: str) -> dict[str, Any]:
    """The slides' protocol for one score, and what does not depend on its one split."""
    threshold = search_threshold(*scores.part(kind, "validation"))
    validation = confusion(*scores.part(kind, "validation"), threshold)
    test = confusion(*scores.part(kind, "test"), threshold)
    splits = metrics.f_normal_splits(
        scores.values[kind], scores.labels, run.settings.threshold_fraction
    )
    return {
        "threshold": threshold,
        "validation": validation._asdict(),
        "test": test._asdict(),
        "f_normal": f_normal(test),
        "f1_defect": f1_defect(test),
        "auroc": metrics.auroc(scores.values[kind], scores.labels),
        "f_normal_splits": {
            "mean": float(splits.mean()),
            "p05": float(np.quantile(splits, 0.05)),
            "p95": float(np.quantile(splits, 0.95)),
        },
    }


def evaluate(run: Run, images: Images, scores: Scores) -> dict[str, Any]:
    """Every figure of the run, the baselines included; also written to summary.json."""
    no_network = score_table(run, images.test, images.mean.expand_as(images.test))
    labels = scores.labels[scores.test]
    all_normal = Confusion(tn=int((labels == 0).sum()), fp=0, fn=int(labels.sum()), tp=0)
    baselines = {
        "all_normal": {"auroc": 0.5, "f_normal": f_normal(all_normal)},
        **{f"mean_image_{kind}": judge(run, no_network, kind) for kind in DIFFERENCES},
    }
    results = {kind: judge(run, scores, kind) for kind in DIFFERENCES}
    return update_summary(run, scores=results, baselines=baselines)
