"""New images before a trained detector: a score, a verdict, and a picture of the difference."""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw
from torch import Tensor

from course_ae.datasets.photographs import free_name, photographs_in
from course_ae.experiment.evaluation import SCORE_NAMES
from course_ae.experiment.run_folder import damaged, read_json, recorded
from course_ae.experiment.stages import denoiser_settings, read_reference
from course_ae.model import ConvAutoencoder
from course_ae.preprocessing import IMAGE_SIZE, preprocess, to_tensor
from course_ae.scoring import (
    Reference,
    difference_maps,
    max_score,
    mean_score,
    normalised_map,
    smooth,
)
from course_ae.settings import make_settings
from course_ae.support.checkpoints import load_weights
from course_ae.support.device import choose_device
from course_ae.support.errors import CourseError, nearest
from course_ae.support.files import replace_file
from course_ae.thresholds import require_numbers
from course_ae.training import build_model, draw, to_uint8

BATCH = 32  # images in memory at a time
TOPS = {"l2": 0.1, "ssim": 1.0}  # the difference that is drawn in yellow
COLUMNS = ("image", "score", "threshold", "verdict", "picture")  # of what is found out
# Of bottle, transistor, toothbrush and drawn bottles, three networks each, one of the right kind
# lies above the threshold in at most 41 % of its map. Another product (real bottles are none for a
# network of drawn ones) lies there in 60 % to 100 %, but for toothbrushes before the transistor's
# networks: 36 % to 60 %, and below half they are called defective.
ANOTHER = 0.5
VERDICTS = ("good", "defective", "another product")
HEADER = 22  # pixels above a picture, for the verdict


@dataclass(frozen=True)
class Detector:
    """A run's network, one of its scores, and the threshold that the run has found for it."""

    model: ConvAutoencoder
    score_name: str  # 'normalised', 'l2' or 'ssim'
    threshold: float
    reference: dict[str, Reference]  # of 'normalised'

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstructions (N, 1, 227, 227), difference maps (N, 227, 227) and scores (N,)."""
        return self.judge(x, draw(self.model, x))

    def judge(self, x: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, of what the network has drawn of images (N, 1, 227, 227)."""
        x_hat = drawn[:, :1]
        if self.score_name == "normalised":
            maps = smooth(normalised_map(x, x_hat, self.reference, drawn[:, 1].sigmoid()))
            return x_hat, maps, max_score(maps)
        maps = difference_maps(x, x_hat, self.score_name)
        return x_hat, maps, mean_score(maps)

    def is_another(self, maps: Tensor) -> Tensor:
        """Is it another product altogether, (N,) bool? Only the normalised map (N, H, W) tells."""
        if self.score_name != "normalised":
            return torch.zeros(len(maps), dtype=torch.bool)
        return (maps > self.threshold).float().mean(dim=(1, 2)) > ANOTHER


def load_detector(folder: Path, score_name: str = "") -> Detector:
    """The detector of a finished run; its images are no longer needed.

    Args:
        folder: the run folder.
        score_name: 'normalised' (lesson 08), 'l2' or 'ssim'; '' takes the first that the run has.

    Raises:
        CourseError: if the folder holds no finished run, a file of it is damaged, or it has no such
            score.
    """
    given = {name: value for name, value in recorded(folder).items() if name not in ("data", "run")}
    settings, path = make_settings(**given), folder / "summary.json"
    scores = read_json(path).get("scores", {})
    with damaged(path):
        thresholds = {name: float(one["threshold"]) for name, one in scores.items()}
        if not all(map(math.isfinite, thresholds.values())):
            raise ValueError("a threshold is no number")
    there = [name for name in reversed(SCORE_NAMES) if name in thresholds]
    if not there:
        raise CourseError(
            f"The run in '{folder}' is not finished; go on with it by "
            f"'course-ae run --resume --run \"{folder}\"'."
        )
    name = score_name or there[0]
    if name not in there:
        raise CourseError(f"The run in '{folder}' has no score '{name}'{nearest(name, there)}")
    weights, reference = "model.pt", {}
    if name == "normalised":
        reference = read_reference(folder / "reference.npz", (IMAGE_SIZE, IMAGE_SIZE))
        if not settings.denoise:
            settings, weights = denoiser_settings(settings), "denoiser.pt"
    model = build_model(settings, choose_device())
    load_weights(model, folder / weights)
    return Detector(model, name, thresholds[name], reference)


def find_images(places: Sequence[Path]) -> list[Path]:
    """The images that are named, and all those in folders that are named.

    Raises:
        CourseError: if a place is missing or holds no image.
    """
    images = []
    for place in places:
        if place.is_dir():
            inside = photographs_in(place, {})
            if not inside:
                raise CourseError(f"'{place}' holds no JPEG, PNG, BMP or TIFF files.")
            images += inside
        elif place.exists():
            images.append(place)
        else:
            raise CourseError(f"There is no image '{place}'; give a file or a folder.")
    return images


def predict(detector: Detector, images: Iterable[Path], pictures: Path) -> Iterator[dict[str, Any]]:
    """One row an image, and a picture of it; only a batch of images is in memory.

    Args:
        detector: from `load_detector`.
        images: image files.
        pictures: a folder for the pictures; it is made if need be.

    Yields:
        image, score, threshold, verdict ('good', 'defective' or 'another product') and picture, a
        path; of an image that cannot be read image and error, a sentence.

    Raises:
        CourseError: if a picture cannot be written, or could replace an image, and if a score is no
            number.
    """
    images, names = list(images), dict[Path, int]()
    if pictures.resolve() in {image.resolve().parent for image in images}:
        raise CourseError(
            f"Pictures in '{pictures}' could replace the images there; choose another folder."
        )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            decoded = list(pool.map(_decode, batch))
            readable = [i for i, found in enumerate(decoded) if isinstance(found, np.ndarray)]
            rows = [{"image": str(p), "error": e} for p, e in zip(batch, decoded, strict=True)]
            if readable:
                x = to_tensor(np.stack([decoded[i] for i in readable]))  # (N, 1, 227, 227)
                x_hat, maps, scores = detector.maps(x)
                scores, another = require_numbers(scores.numpy()), detector.is_another(maps)
                judged = zip(readable, x, x_hat, maps, scores, another, strict=True)
                for i, *pixels, score, is_another in judged:
                    place = free_name(pictures, batch[i].stem, names)
                    verdict = "defective" if score > detector.threshold else "good"
                    verdict = "another product" if is_another else verdict
                    told = str(batch[i]), float(score), detector.threshold, verdict, str(place)
                    rows[i] = dict(zip(COLUMNS, told, strict=True))
                    drawn = picture(detector, *pixels, rows[i])
                    with replace_file(place) as part:
                        drawn.save(part, "png", compress_level=1)  # fast before small
            yield from rows


def _decode(path: Path) -> np.ndarray | str:
    """The image, uint8 (227, 227), or why it cannot be read."""
    try:
        return preprocess(path)
    except CourseError as error:
        return str(error)


def picture(
    detector: Detector, x: Tensor, x_hat: Tensor, difference: Tensor, row: dict[str, Any]
) -> Image.Image:
    """`x` and `x_hat` (1, 227, 227) and their map (227, 227) side by side, the verdict above.

    The colours of the map mean the same in all pictures of a detector. Of lesson 08's map all that
    lies above the threshold is yellow.
    """
    top = TOPS.get(detector.score_name, detector.threshold)
    shades = colormaps["cividis"]((difference / top).clamp(0, 1).numpy(), bytes=True)[..., :3]
    grays = [np.repeat(image[..., None], 3, axis=-1) for image in to_uint8(torch.stack([x, x_hat]))]
    panels = np.concatenate([*grays, shades], axis=1)  # (227, 3 * 227, 3)
    drawn = Image.new("RGB", (panels.shape[1], panels.shape[0] + HEADER), "white")
    drawn.paste(Image.fromarray(panels), (0, HEADER))
    told = "{verdict}: score {score:.4g}, threshold {threshold:.4g}".format(**row)
    ImageDraw.Draw(drawn).text((4, 4), told, fill="black", font_size=13)
    return drawn
