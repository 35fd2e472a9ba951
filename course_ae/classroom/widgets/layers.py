"""Lesson 03: what each layer of the network makes of an image."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from course_ae.classroom.figures import draw_image
from course_ae.classroom.layers import outputs
from course_ae.classroom.widgets.view import Explorer, View, choice, image_choice
from course_ae.model import ConvAutoencoder

ROWS, COLUMNS = 4, 8  # maps shown, at most
GAP = 0.03  # between two of them, as a share of a map


class LayerView(View):
    """The feature maps of a layer, each on its own scale from its lowest to its highest value.

    Args:
        model: the network.
        x: the images to choose from, (N, 1, 227, 227).
    """

    def __init__(self, model: ConvAutoencoder, x: Tensor):
        super().__init__(9.5, 3.5)
        self.model, self.x = model, x
        left, right = self.figure.subplots(1, 2, width_ratios=(1, 2.2))
        self.image = draw_image(left, x[0, 0].numpy(), "input")
        scale = {"cmap": "cividis", "interpolation": "nearest"}
        self.maps = [
            draw_image(right, np.zeros((1, 1)), "feature maps", **scale)
            for _ in range(ROWS * COLUMNS)
        ]
        right.set(xlim=(0, COLUMNS), ylim=(-ROWS, 0))
        self.moves(self.image, *self.maps)
        self._outputs = lru_cache(maxsize=16)(self._compute)
        self.layers = list(self._outputs(0))

    @torch.inference_mode()
    def _compute(self, image: int) -> dict[str, np.ndarray]:
        layers = outputs(self.model, self.x[image, None])
        return {name: values[0].cpu().numpy() for name, values in layers.items()}

    def at(self, layer: str = "encoder conv1", image: int = 0) -> str:
        """What this layer makes of the image of this number."""
        array = self._outputs(image)[layer]
        self.image.set_data(self.x[image, 0].numpy())
        if array.ndim == 1:
            maps, shown = _as_map(array)[None], f"all {len(array):,} numbers"
        else:
            maps, word = array[: ROWS * COLUMNS], "map" if len(array) == 1 else "maps"
            shown = f"{len(maps)} of {len(array)} feature {word}"
        self._show(maps)
        said = f"{layer}: shape {array.shape}, {array.size:,} numbers; {shown} shown."
        if array.ndim > 1 and array.min() == 0:
            said += " Dark is 0: there this kernel finds nothing."
        return said

    def _show(self, maps: np.ndarray) -> None:
        """Draws maps (M, H, W) row by row, M at most 32; a single one as large as it can be."""
        for i, drawn in enumerate(self.maps):
            drawn.set_visible(i < len(maps))
            if i < len(maps):
                drawn.set_data(maps[i])
                drawn.autoscale()
                row, column = divmod(i, COLUMNS)
                drawn.set_extent((column, column + 1 - GAP, -row - 1 + GAP, -row))
        if len(maps) == 1:
            width = ROWS * maps.shape[2] / maps.shape[1]
            self.maps[0].set_extent(((COLUMNS - width) / 2, (COLUMNS + width) / 2, -ROWS, 0))


def _as_map(code: np.ndarray) -> np.ndarray:
    """The numbers of a code (B,) row by row, as a map twice as wide as high, (H, 2H)."""
    height = int(np.ceil(np.sqrt(len(code) / 2)))
    padded = np.full(2 * height * height, np.nan)
    padded[: len(code)] = code
    return padded.reshape(height, 2 * height)


def layer_explorer(model: ConvAutoencoder, x: Tensor, names: Sequence[str]) -> Explorer:
    """Choose a layer and an image; `names` are those of the images, else as `LayerView`."""
    view = LayerView(model, x)
    return Explorer(view, {"layer": choice(view.layers, "layer"), "image": image_choice(names)})
