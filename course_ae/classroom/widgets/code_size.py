"""Lesson 03: what codes of more and more numbers make of a good image, and of a stained one."""

from typing import NamedTuple

from torch import Tensor

from course_ae.baselines import LinearAutoencoder
from course_ae.classroom.figures import draw_image
from course_ae.classroom.widgets.view import Explorer, View, slider
from course_ae.corruption import VISIBLE
from course_ae.ssim import ssim_loss

SIZE = 20  # numbers in the code at first


class Squeezed(NamedTuple):
    """What is left of images and of their stained twins after a code of some size."""

    good: Tensor  # the reconstructions of the clean images, (N, 1, H, W)
    stained: Tensor  # those of the stained ones, same shape
    loss: float  # 1 - SSIM of the clean images and their reconstructions
    off: float  # inside the stains, mean distance of the drawn pixels to the clean ones


def squeezed(pca: LinearAutoencoder, size: int, clean: Tensor, stained: Tensor) -> Squeezed:
    """Sends images (N, 1, H, W) and the same with stains through a code of `size` numbers."""
    smaller = pca.truncated(size)
    good, drawn = smaller(clean), smaller(stained)
    return Squeezed(
        good, drawn, ssim_loss(good, clean).item(), off_in_stains(clean, stained, drawn)
    )


def off_in_stains(clean: Tensor, stained: Tensor, drawn: Tensor) -> float:
    """Mean distance of drawn pixels to the clean ones where stains lie, all (N, 1, H, W).

    0 if the stains are gone; `drawn` may be the stained images themselves, to see what they cost.
    """
    inside = (stained - clean).abs() > VISIBLE
    distances = (drawn - clean).abs() * inside
    return (distances.sum() / inside.sum().clamp(min=1)).item()


class CodeSizeView(View):
    """A good image and a stained one, each beside what a code of k numbers leaves of it.

    Args:
        pca: the linear autoencoder, fitted with the largest k.
        clean: the good image, (1, 1, H, W) in [0, 1].
        stained: the same with stains.
    """

    def __init__(self, pca: LinearAutoencoder, clean: Tensor, stained: Tensor):
        super().__init__(9.5, 2.9)
        self.pca, self.clean, self.stained = pca, clean, stained
        left, good, middle, drawn = self.figure.subplots(1, 4)
        draw_image(left, clean[0, 0].numpy(), "good image")
        draw_image(middle, stained[0, 0].numpy(), "the same, stained")
        self.drawn = [
            draw_image(axes, clean[0, 0].numpy(), "drawn again") for axes in (good, drawn)
        ]
        below = {"ha": "center", "va": "top", "fontsize": 9}
        self.texts = [
            axes.text(0.5, -0.04, "", transform=axes.transAxes, **below) for axes in (good, drawn)
        ]
        self.moves(*self.drawn, *self.texts)

    def at(self, size: int = 0) -> str:
        """Both images through a code of `size` numbers."""
        seen = squeezed(self.pca, size, self.clean, self.stained)
        untouched = off_in_stains(self.clean, self.stained, self.stained)
        for artist, images in zip(self.drawn, (seen.good, seen.stained), strict=True):
            artist.set_data(images[0, 0].numpy())
        self.texts[0].set_text(f"1 - SSIM {seen.loss:.3f}")
        self.texts[1].set_text(f"off in the stain {seen.off:.3f}")
        return (
            f"k = {size}: 1 - SSIM of the good image {seen.loss:.3f}; in the stain off by "
            f"{seen.off:.3f}, where the stain itself is off by {untouched:.3f}."
        )


def code_size_explorer(pca: LinearAutoencoder, clean: Tensor, stained: Tensor) -> Explorer:
    """Turn the number of numbers in the code; the arguments are those of `CodeSizeView`."""
    control = slider(0, pca.size, min(SIZE, pca.size), "numbers in the code, k")
    return Explorer(CodeSizeView(pca, clean, stained), {"size": control})
