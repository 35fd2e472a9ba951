"""The front page of a report: what a run does, in five pictures and a sentence."""

import base64
from contextlib import redirect_stdout
from html import escape
from io import StringIO
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from course_ae import figures, pipeline
from course_ae.evaluation import masks_at_map_size
from course_ae.runs import Run, read_summary

SIDE = 2.3  # inches of each picture


class Panel(NamedTuple):
    """One picture of the story."""

    title: str
    figure: Figure
    caption: str


def panels(run: Run, summary: dict[str, Any]) -> list[Panel]:
    """Good product, defective product, what the network draws, the map, and the threshold.

    The defective product is the one with the middle score of all in the test part, so neither the
    best nor the worst case. A finished run's networks are read; none is trained here.

    Args:
        run: a run with its networks and its summary.
        summary: the content of summary.json.
    """
    with redirect_stdout(StringIO()):  # which file was found is of no interest here
        images = pipeline.prepare(run)
        kind = _kind(summary)
        network = pipeline.repairing if kind == "best" else pipeline.trained
        model = network(run, images)
        scores = pipeline.score_table(run, images, lambda x: pipeline.rebuild(model, x), [kind])
    values, labels = scores.part(kind, "test")
    order = np.argsort(np.where(labels == 1, values, np.inf))
    chosen = scores.test[order[labels.sum() // 2]]
    mask, x = masks_at_map_size(run.test)[chosen], images.test[chosen, None]
    what = f"From the test: {scores.defects[chosen].replace('_', ' ')}."
    what += "" if mask is None else " The line is the true defect."
    unusual = scores.maps[kind][chosen].clamp(min=0).numpy()
    threshold = summary["scores"][kind]["threshold"]
    verdict = "above" if scores.values[kind][chosen] > threshold else "below"
    return [
        Panel(
            "A good one",
            picture(images.good[0, 0].numpy()),
            f"The network learnt from {len(images.known)} images like this, and from no other.",
        ),
        Panel(
            "A defective one",
            picture(x[0, 0].numpy(), mask),
            what,
        ),
        Panel(
            "What the network draws",
            picture(pipeline.rebuild(model, x)[0, 0].numpy()),
            "It only knows good ones, so this is how it would like the image to be.",
        ),
        Panel(
            "Where both differ",
            picture(unusual, mask, cmap="cividis", vmax=None),
            "Blue: as ever; yellow: not as on good ones.",
        ),
        Panel(
            "The threshold",
            strip(scores, kind, threshold, chosen),
            f"One dot a test image. Above the line means defective; the one shown (ring) lies "
            f"{verdict} it.",
        ),
    ]  # fmt: skip


def picture(image: np.ndarray, mask: np.ndarray | None = None, **scale: Any) -> Figure:
    """One image (H, W), with the outline of its mask."""
    figure = figures.new_figure(SIDE, SIDE)
    axes = figure.subplots()
    figures.draw_image(axes, image, **scale)
    figures.outline(axes, mask)
    return figure


def strip(scores: pipeline.Scores, kind: str, threshold: float, chosen: int) -> Figure:
    """The scores of the test part by label, the threshold, and a ring around one of them."""
    figure = figures.new_figure(SIDE, SIDE)
    axes = figure.subplots()
    values, labels = scores.part(kind, "test")
    x = labels + np.random.default_rng(0).uniform(-0.25, 0.25, len(labels))
    for label, colour, marker in ((0, figures.BLUE, "o"), (1, figures.RED, "^")):
        axes.scatter(x[labels == label], values[labels == label], c=colour, marker=marker, s=16)
    place = np.flatnonzero(scores.test == chosen)
    axes.plot(x[place], values[place], "o", ms=12, mfc="none", mec="black")
    axes.axhline(threshold, color="black", ls="--")
    axes.set_xticks([0, 1], ["good", "defective"])
    axes.set_ylabel("score")
    return figure


def _kind(summary: dict[str, Any]) -> str:
    """The score that the story is about."""
    return "best" if "best" in summary["scores"] else "l2"


def told(summary: dict[str, Any]) -> str:
    """The result in a sentence or two."""
    kind = _kind(summary)
    found, mean = summary["scores"][kind], summary["baselines"][f"mean_image_{kind}"]
    test = found["test"]
    name = "With lesson 07's score" if kind == "best" else "With the slides' L2 score"
    pixel = (summary["metrics"]["pixel"].get(kind) or {}).get("au_pro")
    where = f" Where it points: AU-PRO {pixel:.3f}, of 1." if pixel else ""
    return (
        f"{name}, {test['tp']} of {test['tp'] + test['fn']} defects in the test part are found, "
        f"and {test['fp']} of {test['fp'] + test['tn']} good ones raise a false alarm. Without a "
        f"threshold: AUROC {found['auroc']:.3f}; comparing with the mean image, which needs no "
        f"network, reaches {mean['auroc']:.3f}.{where}"
    )


def story(run: Run) -> str:
    """The story as HTML; '' where a run has no networks or is not finished."""
    summary = read_summary(run)
    if not (run.folder / "model.pt").is_file() or not {"scores", "baselines"} <= set(summary):
        return ""
    shown = "".join(_html(panel) for panel in panels(run, summary))
    return f'<div class="story">{shown}</div>\n<p><b>{escape(told(summary))}</b></p>'


def _html(panel: Panel) -> str:
    picture = base64.b64encode(figures.png(panel.figure)).decode()
    title, caption = escape(panel.title), escape(panel.caption)
    return (
        f"<figure><figcaption><b>{title}</b></figcaption>"
        f'<img src="data:image/png;base64,{picture}" alt="{title}. {caption}">'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )
