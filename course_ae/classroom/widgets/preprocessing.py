"""Lesson 02: one image on its way to the network, one step at a time."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from course_ae.classroom.figures import BLUE, draw_image
from course_ae.classroom.widgets.view import Explorer, View, choice, image_choice
from course_ae.data import Sample
from course_ae.preprocessing import resize, to_gray, to_tensor
from course_ae.support.images import open_image

STEPS = ("photograph", "gray", "227x227", "in [0, 1]")
ZOOM = 16  # the second picture shows this part of the width and of the height
BINS = 64


class PreprocessingView(View):
    """The image after a step, a piece of it enlarged, and how often each value occurs.

    Args:
        samples: the images to choose from.
    """

    def __init__(self, samples: Sequence[Sample]):
        super().__init__(9.5, 3.4)
        self.samples = samples
        whole, piece, counts = self.figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
        blank = np.zeros((2, 2), dtype=np.uint8)
        square = {"extent": (0, 1, 0, 1), "aspect": "auto"}
        self.whole = draw_image(whole, blank, "the image", **square)
        enlarged = {"title": f"a piece of it, {ZOOM} times enlarged", "interpolation": "nearest"}
        self.piece = draw_image(piece, blank, **enlarged, **square)
        for axes in (whole, piece):
            axes.set_box_aspect(1)
        self.bars = counts.stairs(np.ones(BINS), np.linspace(0, 1, BINS + 1), fill=True, color=BLUE)
        counts.set_yscale("log")
        counts.yaxis.set_major_formatter("{x:g}")
        counts.set_ylim(1e-4, 1)
        counts.set_xticks([0, 128 / 255, 1], ["0", "", ""])
        counts.set_title("share of the pixels with each value (log)", fontsize=9)
        below = {"ha": "center", "va": "top", "transform": counts.get_xaxis_transform()}
        self.middle, self.top = (counts.text(x, -0.02, "", **below) for x in (128 / 255, 1))
        self.moves(self.whole, self.piece, self.bars, self.middle, self.top)
        self._steps = lru_cache(maxsize=32)(self._compute)

    def _compute(self, image: int) -> list[np.ndarray]:
        photograph = open_image(self.samples[image].path)
        gray = to_gray(photograph)
        small = resize(gray)
        x = to_tensor(np.asarray(small)[None])[0, 0].numpy()
        return [np.asarray(photograph), np.asarray(gray), np.asarray(small), x]

    def at(self, image: int = 0, step: str = STEPS[0]) -> str:
        """The image of this number after this step."""
        array = self._steps(image)[STEPS.index(step)]
        top = 1 if array.dtype == np.float32 else 255
        height, width = array.shape[:2]
        rows, columns = max(2, height // ZOOM), max(2, width // ZOOM)
        piece = array[height // 2 :, width // 8 :][:rows, :columns]
        for drawn, shown in ((self.whole, array), (self.piece, piece)):
            drawn.set_data(shown)
            drawn.set_clim(0, top)
        found, _ = np.histogram(array, BINS, (0, top))
        self.bars.set_data(found / found.sum())
        self.middle.set_text("0.5" if top == 1 else "128")
        self.top.set_text(str(top))
        return (
            f"{self.samples[image].name}, {step}: shape {array.shape}, {array.dtype}, values from "
            f"{array.min():.3g} to {array.max():.3g}, {array.size:,} numbers."
        )


def preprocessing_explorer(samples: Sequence[Sample]) -> Explorer:
    """Choose an image and a step; `samples` are the images to choose from."""
    images = image_choice([sample.name for sample in samples])
    return Explorer(PreprocessingView(samples), {"image": images, "step": choice(STEPS, "step")})
