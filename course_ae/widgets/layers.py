"""Lesson 03: what each layer of the network makes of an image."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from course_ae.figures import draw_image
from course_ae.model import ConvAutoencoder, outputs
from course_ae.widgets.view import Explorer, View, choice

ROWS, COLUMNS = 4, 8  # maps shown, at most
TILE = 56  # pixels of a map in the picture, with one more between two of them


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
        blank = np.zeros((ROWS * (TILE + 1), COLUMNS * (TILE + 1)))
        self.maps = draw_image(
            right, blank, "feature maps", cmap="cividis", interpolation="nearest"
        )
        self.moves(self.image, self.maps)
        self._outputs = lru_cache(maxsize=16)(self._compute)
        self.layers = list(self._outputs(0))

    @torch.inference_mode()
    def _compute(self, image: int) -> dict[str, Tensor]:
        return {
            name: layer[0].cpu() for name, layer in outputs(self.model, self.x[image, None]).items()
        }

    def at(self, layer: str = "encoder conv1", image: int = 0) -> str:
        """What this layer makes of the image of this number."""
        array = self._outputs(image)[layer].numpy()
        self.image.set_data(self.x[image, 0].numpy())
        if array.ndim == 1:  # a code: its numbers row by row
            side = int(np.ceil(np.sqrt(len(array) / 2)))
            padded = np.full(2 * side * side, np.nan)
            padded[: len(array)] = array
            tiles, shown = [padded.reshape(side, 2 * side)], f"all {len(array):,} numbers"
            self.maps.set_data(_scaled(tiles[0], ROWS * TILE, COLUMNS * TILE))
        else:
            tiles = array[: ROWS * COLUMNS]
            word = "map" if len(array) == 1 else "maps"
            shown = f"{len(tiles)} of {len(array)} feature {word}"
            self.maps.set_data(_mosaic(tiles))
        return f"{layer}: shape {tuple(array.shape)}, {array.size:,} numbers; {shown} shown."


def _mosaic(tiles: np.ndarray) -> np.ndarray:
    """Maps (M, H, W) side by side, M at most 32; a single one as large as it can be."""
    if len(tiles) == 1:
        whole = np.full((ROWS * TILE, COLUMNS * TILE), np.nan)
        whole[:, (COLUMNS - ROWS) * TILE // 2 :][:, : ROWS * TILE] = _scaled(
            tiles[0], ROWS * TILE, ROWS * TILE
        )
        return whole
    whole = np.full((ROWS * (TILE + 1), COLUMNS * (TILE + 1)), np.nan)
    for i, tile in enumerate(tiles):
        row, column = (place * (TILE + 1) for place in divmod(i, COLUMNS))
        whole[row : row + TILE, column : column + TILE] = _scaled(tile, TILE, TILE)
    return whole


def _scaled(tile: np.ndarray, height: int, width: int) -> np.ndarray:
    """Values moved to 0 to 1 and the nearest one put at each of height x width pixels."""
    rows = np.arange(height) * tile.shape[0] // height
    columns = np.arange(width) * tile.shape[1] // width
    low, high = np.nanmin(tile), np.nanmax(tile)
    return (tile[rows][:, columns] - low) / ((high - low) or 1)


def layer_explorer(model: ConvAutoencoder, x: Tensor, names: Sequence[str]) -> Explorer:
    """Choose a layer and an image.

    Args:
        model: the network.
        x: the images to choose from, (N, 1, 227, 227).
        names: their names.
    """
    view = LayerView(model, x)
    images = [(name, i) for i, name in enumerate(names)]
    controls = {"layer": choice(view.layers, "layer"), "image": choice(images, "image")}
    return Explorer(view, controls)
