"""What a run does, in five pictures: lesson 08 saves them, the report begins with them."""

import base64
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from course_ae.classroom import figures
from course_ae.data import load_mask
from course_ae.experiment.run_folder import Run, damaged, read_json
from course_ae.model import ConvAutoencoder
from course_ae.preprocessing import Images, resize_mask
from course_ae.scoring import Scores
from course_ae.support.files import write_json
from course_ae.thresholds import search_threshold
from course_ae.training import reconstruct

FILE = "story.json"  # in the run folder; one file, so that it is there whole or not at all
SCORE = "normalised"  # the score that the story is about
SIDE = 2.3  # inches of each picture


def save_story(run: Run, images: Images, scores: Scores, model: ConvAutoencoder) -> None:
    """Good product, defective product, what the network draws, the map, and the threshold.

    The defective product is the one with the middle score of all in the test part, so neither the
    best nor the worst case.

    Args:
        run: where the pictures are kept, in story.json.
        images: the run's images.
        scores: the scored test images, with the normalised score.
        model: the network whose reconstructions were scored.

    Raises:
        CourseError: if the file cannot be written.
    """
    defective = scores.test[scores.labels[scores.test] == 1]
    order = np.argsort(scores.values[SCORE][defective])
    chosen = defective[order[len(order) // 2]]
    sample, x = run.test[chosen], images.test[chosen, None]  # x: (1, 1, 227, 227)
    mask = resize_mask(load_mask(sample))
    unusual = scores.maps[SCORE][chosen].clamp(min=0).numpy()  # (227, 227)
    threshold = search_threshold(*scores.part(SCORE, "calibration"))
    side = "above" if scores.values[SCORE][chosen] > threshold else "below"
    line = "" if mask is None else " The line is the true defect."
    panels = {
        "A good one": (
            f"The network learnt from {len(images.train)} images like this, and from no other.",
            _picture(images.good[0, 0].numpy()),
        ),
        "A defective one": (
            f"From the test: {sample.defect_type.replace('_', ' ')}.{line}",
            _picture(x[0, 0].numpy(), mask),
        ),
        "What the network draws": (
            "It only knows good ones, so this is how it would like the image to be.",
            _picture(reconstruct(model, x)[0, 0].numpy()),
        ),
        "Where both differ": (
            "Blue: as ever; yellow: not as on good ones.",
            _picture(unusual, mask, cmap="cividis", vmax=None),
        ),
        "The threshold": (
            "One dot a test image. Above the line means defective; the one shown (ring) lies "
            f"{side} it.",
            _dots(scores, threshold, chosen),
        ),
    }
    story = [
        {"title": title, "caption": caption, "png": base64.b64encode(figures.png(figure)).decode()}
        for title, (caption, figure) in panels.items()
    ]
    write_json(run.folder / FILE, {"story": story})


def read_story(run: Run) -> list[dict[str, str]]:
    """Title, caption and png, in base64, of each picture; none where lesson 08 has not saved them.

    Raises:
        CourseError: if they are damaged.
    """
    path = run.folder / FILE
    content = read_json(path) if path.is_file() else {"story": []}
    with damaged(path):
        return [
            {name: str(panel[name]) for name in ("title", "caption", "png")}
            for panel in content["story"]
        ]


def _picture(image: np.ndarray, mask: np.ndarray | None = None, **scale: Any) -> Figure:
    figure = figures.new_figure(SIDE, SIDE)
    axes = figure.subplots()
    figures.draw_image(axes, image, **scale)
    figures.outline(axes, mask)
    return figure


def _dots(scores: Scores, threshold: float, chosen: int) -> Figure:
    """The scores of the test part by label, the threshold, and a ring around the chosen image."""
    figure = figures.new_figure(SIDE, SIDE)
    axes = figure.subplots()
    values, labels = scores.part(SCORE, "test")
    others = values[(labels == 1) & (scores.test != chosen)]
    figures.strip(axes, {"good": values[labels == 0], "defective": others})
    shown = scores.values[SCORE][chosen]
    axes.plot(1, shown, "^", c=figures.RED, ms=4)
    axes.plot(1, shown, "o", ms=12, mfc="none", mec="black")
    axes.axhline(threshold, color="black", ls="--")
    axes.set_ylabel("score")
    return figure
