"""Lesson 03: the opponents that a network has to beat, the mean image and PCA.

An autoencoder without any nonlinearity can do no better than principal component analysis (Baldi
and Hornik, "Neural networks and principal component analysis: learning from examples without local
minima", Neural Networks 2, 1989). So its best weights need no training: they are computed. With a
code of no numbers at all it draws the same picture for every input, the mean image.
"""

import torch
from torch import Tensor

PCA_SIZE = 100  # numbers in PCA's code, where there are more images than that
NOTHING = 1e-13  # of all squared pixels; a component with less is made of rounding errors
FOLDS = 4  # parts of the good images, each rebuilt by what the others have taught


class LinearAutoencoder:
    """x' = m + (x - m) W^T W: images are rebuilt from k numbers each, as well as a matrix can.

    Args:
        good: the images to learn from, (M, 1, H, W).
        size: k, the numbers in the code of an image; fewer where nothing is left to learn, as
            after M - 1 of them.
    """

    def __init__(self, good: Tensor, size: int):
        self.mean = good.mean(dim=0, keepdim=True)  # (1, 1, H, W)
        self.components = principal_components(good, size)  # (k, 1, H, W)

    @classmethod
    def of(cls, mean: Tensor, components: Tensor) -> "LinearAutoencoder":
        """One that was fitted before, from its mean (1, 1, H, W) and components (k, 1, H, W)."""
        linear = cls.__new__(cls)
        linear.mean, linear.components = mean, components
        return linear

    @property
    def size(self) -> int:
        """k, the numbers in the code of an image."""
        return len(self.components)

    def truncated(self, size: int) -> "LinearAutoencoder":
        """What a fit of this `size` would give, for any image: the first components alone."""
        return self.of(self.mean, self.components[:size])

    def encode(self, x: Tensor) -> Tensor:
        """Images (N, 1, H, W) to codes (N, k)."""
        return (x - self.mean).flatten(1) @ self.components.flatten(1).T

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (N, k) to images (N, 1, H, W) in [0, 1]."""
        drawn = codes @ self.components.flatten(1)  # (N, H * W)
        return (self.mean + drawn.view(-1, *self.mean.shape[1:])).clamp(0, 1)

    def __call__(self, x: Tensor) -> Tensor:
        """Images (N, 1, H, W) to their reconstructions, same shape."""
        return self.decode(self.encode(x))


def principal_components(good: Tensor, size: int) -> Tensor:
    """The `size` pictures (k, 1, H, W) that images (M, 1, H, W) differ by most from their mean.

    The same as scikit-learn's PCA. With far fewer images than pixels, the M x M products of the
    images hold all that is needed (Sirovich, "Turbulence and the dynamics of coherent structures",
    1987), and are worked out in a fraction of the time.
    """
    if not size:
        return good[:0]
    x = good.flatten(1).cpu().double()  # (M, H * W); Apple's GPUs have no such numbers
    least = NOTHING * x.square().sum()
    x = x - x.mean(dim=0)
    strengths, mixtures = torch.linalg.eigh(x @ x.T)  # (M,) rising, and (M, M), a column each
    mixtures = mixtures[:, strengths > least].flip(1)[:, :size]  # (M, k)
    components = mixtures.T @ x  # (k, H * W)
    components /= components.norm(dim=1, keepdim=True)
    return components.to(good).view(-1, *good.shape[1:])


class CrossFitted:
    """Rebuilds each good image by what it was not learnt from.

    Of the images it has learnt from, PCA with a large code leaves hardly a difference. Measured by
    those, every new image would look unusual.

    Args:
        good: the images to learn from, (M, 1, H, W).
        size: the numbers in the code of an image.
    """

    def __init__(self, good: Tensor, size: int):
        self.fold = torch.arange(len(good)) % FOLDS  # (M,)
        folds = range(int(self.fold.max()) + 1)
        self.parts = [LinearAutoencoder(good[self.fold != i], size) for i in folds]

    def __call__(self, x: Tensor, index: Tensor) -> Tensor:
        """Images (B, 1, H, W), which are, or were made of, the good ones with `index` (B,)."""
        fold, rebuilt = self.fold[index.cpu()], torch.empty_like(x)
        for i, part in enumerate(self.parts):
            rebuilt[fold == i] = part(x[fold == i])
        return rebuilt


def cross_fitted(good: Tensor, size: int) -> Tensor:
    """Good images (M, 1, H, W), each rebuilt by what it was not learnt from; see `CrossFitted`."""
    return CrossFitted(good, size)(good, torch.arange(len(good)))
