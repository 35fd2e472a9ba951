"""Lesson 04: change an image and see what SSIM's three parts and L2 say."""

import torch
from torch import Tensor

from course_ae.classroom.figures import draw_image
from course_ae.classroom.widgets.view import Explorer, View, slider
from course_ae.scoring import l2_difference
from course_ae.ssim import ssim_components, ssim_map
from course_ae.support.local_mean import local_mean

PANELS = {  # lowest and highest value drawn, and how the mean is written
    "luminance": (0, 1, ".3f"),
    "contrast": (0, 1, ".3f"),
    "structure": (-1, 1, ".3f"),
    "L2": (0, 0.05, ".4f"),
}


def altered(
    x: Tensor, brightness: float, contrast: float, blur: float, shift: int, noise: float
) -> Tensor:
    """An image (1, 1, H, W) in [0, 1], changed in the order of the arguments.

    Args:
        x: the image.
        brightness: added to each pixel.
        contrast: factor on the distance of each pixel from the image's mean.
        blur: standard deviation of a Gaussian window in pixels; 0 for none.
        shift: pixels to the right; what leaves the image comes in on the other side.
        noise: standard deviation of Gaussian noise, the same at every call.
    """
    y = x.mean() + contrast * (x - x.mean()) + brightness
    y = local_mean(y, blur) if blur else y
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (y.roll(shift, dims=-1) + noise * drawn).clamp(0, 1)


class SimilarityView(View):
    """The image, the changed one, SSIM's three parts and the squared difference.

    Args:
        x: the image, (1, 1, H, W) in [0, 1].
    """

    def __init__(self, x: Tensor):
        super().__init__(9.5, 2.5)
        self.x = x
        axes = self.figure.subplots(1, 6)
        gray = x[0, 0].numpy()
        draw_image(axes[0], gray, "the image")
        self.changed = draw_image(axes[1], gray, "changed")
        self.maps, self.texts = [], []
        for ax, (name, (low, high, _)) in zip(axes[2:], PANELS.items(), strict=True):
            self.maps.append(draw_image(ax, gray, name, cmap="cividis", vmin=low, vmax=high))
            below = {"transform": ax.transAxes, "ha": "center", "va": "top"}
            self.texts.append(ax.text(0.5, -0.05, "", **below))
        self.moves(self.changed, *self.maps, *self.texts)

    def at(
        self, brightness: float = 0.0, contrast: float = 1.0, blur: float = 0.0, shift: int = 0,
        noise: float = 0.0,
    ) -> str:  # fmt: skip
        """The image changed so; the arguments are those of `altered`."""
        y = altered(self.x, brightness, contrast, blur, shift, noise)
        self.changed.set_data(y[0, 0].numpy())
        maps, said = (*ssim_components(self.x, y), l2_difference(self.x, y)), []
        for i, (name, (*_, form)) in enumerate(PANELS.items()):
            mean = f"{maps[i].mean().item():{form}}"
            said.append(f"{name} {mean}")
            self.maps[i].set_data(maps[i][0].numpy())
            self.texts[i].set_text(mean)
        ssim = ssim_map(self.x, y).mean().item()
        return f"SSIM {ssim:.3f} ({', '.join(said[:3])}); {said[3]}."


def similarity_explorer(x: Tensor) -> Explorer:
    """Sliders that change the image `x`, (1, 1, H, W) in [0, 1]."""
    controls = {
        "brightness": slider(-0.5, 0.5, 0.0, "brightness", 0.02),
        "contrast": slider(0.0, 2.0, 1.0, "contrast", 0.05),
        "blur": slider(0.0, 6.0, 0.0, "blur (pixels)", 0.5),
        "shift": slider(-10, 10, 0, "shift (pixels)"),
        "noise": slider(0.0, 0.3, 0.05, "noise", 0.01),  # a first example
    }
    return Explorer(SimilarityView(x), controls)
