"""Lesson 04: change an image and see what SSIM's three parts and L2 say."""

import torch
from torch import Tensor

from course_ae.figures import draw_image
from course_ae.scoring import l2_difference
from course_ae.ssim import l2_loss, local_mean, ssim_components, ssim_map
from course_ae.widgets.view import Explorer, View, slider

PARTS = ("luminance", "contrast", "structure")


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
        scale = {"cmap": "cividis", "vmax": 1}
        self.maps = [
            draw_image(axes[2 + i], gray, name, vmin=-1 if name == "structure" else 0, **scale)
            for i, name in enumerate(PARTS)
        ]
        self.maps.append(draw_image(axes[5], gray, "L2", cmap="cividis", vmin=0, vmax=0.05))
        self.texts = [
            ax.text(0.5, -0.05, "", transform=ax.transAxes, ha="center", va="top", fontsize=10)
            for ax in axes[2:]
        ]
        self.moves(self.changed, *self.maps, *self.texts)

    def at(
        self, brightness: float = 0.0, contrast: float = 1.0, blur: float = 0.0, shift: int = 0,
        noise: float = 0.0,
    ) -> str:  # fmt: skip
        """The image changed so; the arguments are those of `altered`."""
        y = altered(self.x, brightness, contrast, blur, shift, noise)
        parts = ssim_components(self.x, y)
        means = [part.mean().item() for part in parts] + [l2_loss(y, self.x).item()]
        self.changed.set_data(y[0, 0].numpy())
        for drawn, array in zip(self.maps, (*parts, l2_difference(self.x, y)), strict=True):
            drawn.set_data(array[0].numpy())
        for text, value in zip(self.texts, means, strict=True):
            text.set_text(f"{value:.3f}" if value != means[-1] else f"{value:.4f}")
        said = ", ".join(f"{name} {mean:.3f}" for name, mean in zip(PARTS, means, strict=False))
        return f"SSIM {ssim_map(self.x, y).mean().item():.3f} ({said}); L2 {means[-1]:.4f}."


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
