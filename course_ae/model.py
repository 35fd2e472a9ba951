"""Lesson 03: a convolutional autoencoder whose encoder is AlexNet.

The encoder is the network of Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
convolutional neural networks" (NIPS 2012), with one input channel and one dense layer, the
bottleneck. The decoder is its mirror image. `width=1` gives AlexNet's own channel counts; the
shapes in the comments are for that width.

Two things are not on the slides. Batch normalisation after every hidden layer (Ioffe and Szegedy,
2015) takes the place of AlexNet's local response normalisation: without it the network learns to
draw the same picture for every input, which lesson 04 shows. And the last layer starts with small
weights, so that the first picture is a plain gray one and not noise that must be unlearnt first.
With `from_mean` the network begins as the mean image, and sees and draws what differs from it.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from course_ae.baselines import PCA_SIZE, LinearAutoencoder

SLIDES_PARAMETERS = 60_664_758  # the total printed on the slides
CHANNELS = (96, 256, 384, 384, 256)  # AlexNet's five convolutions
GRID = 6  # height and width of the last feature map
RARELY = -3.0  # log-odds of a stain that an untrained denoiser gives a pixel: 5 %
SKIPS = {"up5": "conv5", "up2": "conv2"}  # layers of the decoder and the encoder


def channels(width: float) -> tuple[int, ...]:
    """AlexNet's channel counts times `width`, at least 4 each."""
    return tuple(max(4, round(count * width)) for count in CHANNELS)


def hidden(layer: nn.Module, features: int, batch_norm: bool) -> nn.Sequential:
    """A layer with its normalisation and its ReLU."""
    if not batch_norm:
        return nn.Sequential(OrderedDict(layer=layer, relu=nn.ReLU()))
    dense = isinstance(layer, nn.Linear)
    norm = nn.BatchNorm1d(features) if dense else nn.BatchNorm2d(features)
    return nn.Sequential(OrderedDict(layer=layer, norm=norm, relu=nn.ReLU()))


class SigmoidFrom(nn.Sigmoid):
    """To pixels in [0, 1], from a picture that is drawn where its input is 0; at first plain gray.

    The picture is no parameter: training does not change it.
    """

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("start", torch.zeros(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """Numbers (B, 1, H, W) to pixels, same shape; H and W are the picture's, or it has 1."""
        return torch.sigmoid(x + self.start)


class Encoder(nn.Sequential):
    """E: images (B, 1, 227, 227) to codes (B, bottleneck)."""

    def __init__(
        self, width: float = 1.0, bottleneck: int = 2048, batch_norm: bool = True, images: int = 1
    ):
        c1, c2, c3, c4, c5 = channels(width)
        bn = batch_norm
        super().__init__(
            OrderedDict(
                conv1=hidden(nn.Conv2d(images, c1, 11, stride=4), c1, bn),  # (B, 96, 55, 55)
                pool1=nn.MaxPool2d(3, stride=2),  # (B, 96, 27, 27)
                conv2=hidden(nn.Conv2d(c1, c2, 5, padding=2), c2, bn),  # (B, 256, 27, 27)
                pool2=nn.MaxPool2d(3, stride=2),  # (B, 256, 13, 13)
                conv3=hidden(nn.Conv2d(c2, c3, 3, padding=1), c3, bn),  # (B, 384, 13, 13)
                conv4=hidden(nn.Conv2d(c3, c4, 3, padding=1), c4, bn),  # (B, 384, 13, 13)
                conv5=hidden(nn.Conv2d(c4, c5, 3, padding=1), c5, bn),  # (B, 256, 13, 13)
                pool5=nn.MaxPool2d(3, stride=2),  # (B, 256, 6, 6)
                flatten=nn.Flatten(),  # (B, 9216)
                dense=hidden(nn.Linear(c5 * GRID**2, bottleneck), bottleneck, bn),  # (B, 2048)
            )
        )


class Decoder(nn.Sequential):
    """D: codes (B, bottleneck) to images (B, 1, 227, 227) in [0, 1].

    Each pooling of the encoder has a transposed convolution with the same window and stride in
    its place. So has the first convolution, whose stride of 4 shrinks the image as well.
    """

    def __init__(
        self,
        width: float = 1.0,
        bottleneck: int = 2048,
        batch_norm: bool = True,
        from_mean: bool = False,
        images: int = 1,
    ):
        c1, c2, c3, c4, c5 = channels(width)
        bn = batch_norm
        up = nn.ConvTranspose2d
        super().__init__(
            OrderedDict(
                dense=hidden(nn.Linear(bottleneck, c5 * GRID**2), c5 * GRID**2, bn),  # (B, 9216)
                unflatten=nn.Unflatten(1, (c5, GRID, GRID)),  # (B, 256, 6, 6)
                up5=hidden(up(c5, c5, 3, stride=2), c5, bn),  # (B, 256, 13, 13)
                conv5=hidden(nn.Conv2d(c5, c4, 3, padding=1), c4, bn),  # (B, 384, 13, 13)
                conv4=hidden(nn.Conv2d(c4, c3, 3, padding=1), c3, bn),  # (B, 384, 13, 13)
                conv3=hidden(nn.Conv2d(c3, c2, 3, padding=1), c2, bn),  # (B, 256, 13, 13)
                up2=hidden(up(c2, c2, 3, stride=2), c2, bn),  # (B, 256, 27, 27)
                conv2=hidden(nn.Conv2d(c2, c1, 5, padding=2), c1, bn),  # (B, 96, 27, 27)
                up1=hidden(up(c1, c1, 3, stride=2), c1, bn),  # (B, 96, 55, 55)
                conv1=up(c1, images, 11, stride=4),  # (B, 1, 227, 227)
                sigmoid=SigmoidFrom(227 if from_mean else 1),  # pixels in [0, 1]
            )
        )


class ConvAutoencoder(nn.Module):
    """x' = D(E(x)): rebuild an image from `bottleneck` numbers.

    Args:
        width: factor on AlexNet's channel counts; 1 is AlexNet.
        bottleneck: size of the code, 2048 on the slides.
        batch_norm: False gives the network as the slides describe it, which collapses.
        skips: True adds the encoder's maps to the decoder's, which have the same shapes since the
            decoder is a mirror image (lesson 08; Ronneberger, Fischer and Brox, "U-Net", 2015).
        from_mean: True takes the mean image (`start_from`) off what it sees, and adds it to what it
            draws, at first next to nothing: there is only to learn what differs from it.
        images: pictures that it sees, and that it draws.
    """

    def __init__(
        self,
        width: float = 1.0,
        bottleneck: int = 2048,
        batch_norm: bool = True,
        skips: bool = False,
        from_mean: bool = False,
        images: int = 1,
    ):
        super().__init__()
        self.skips = SKIPS if skips else {}
        self.from_mean = from_mean
        self.encoder = Encoder(width, bottleneck, batch_norm, images)
        self.decoder = Decoder(width, bottleneck, batch_norm, from_mean, images)
        with torch.no_grad():
            self.decoder.conv1.weight.mul_(0 if from_mean else 0.1)

    def start_from(self, x: Tensor) -> None:
        """Begins as the mean of images (N, 1, 227, 227); needs `from_mean`."""
        mean = x.mean(dim=0, keepdim=True).clamp(0.01, 0.99)
        self.decoder.sigmoid.start.copy_(mean.logit())

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 227, 227) in [0, 1] to their reconstructions, same shape and range."""
        if self.from_mean:
            x = x - self.decoder.sigmoid.start.sigmoid()
        seen = {}
        for name, layer in self.encoder.named_children():
            x = seen[name] = layer(x)
        for name, layer in self.decoder.named_children():
            x = layer(x)
            if name in self.skips:
                x = x + seen[self.skips[name]]
        return x


class Denoiser(ConvAutoencoder):
    """Lesson 08: repairs an image, and marks what it repaired.

    It sees two pictures, how an image differs from what PCA makes of it, and how that differs from
    the mean image. And it draws two: the repaired image, and how likely each pixel was spoiled. The
    first one begins as PCA's picture. So the network knows what belongs to a place even where
    nothing of it is left, and learns what PCA cannot draw. To mark the defects that one has painted
    is the idea of Zavrtanik, Kristan and Skocaj, "DRAEM: a discriminatively trained reconstruction
    embedding for surface anomaly detection" (ICCV 2021), where a second network does it.

    A defect spoils PCA's picture far around it. So the network looks twice, the second time beside
    what PCA makes of the image as the first look has cleaned it.

    Arguments as of `ConvAutoencoder`; `start_from` must be given the good images.
    """

    def __init__(self, width: float, bottleneck: int, batch_norm: bool = True, skips: bool = True):
        super().__init__(width, bottleneck, batch_norm, skips, images=2)
        self.decoder.sigmoid = nn.Identity()
        nn.init.zeros_(self.decoder.conv1.weight)  # begins as PCA
        # Of PCA; where there are fewer components the last ones stay 0. Training leaves them alone.
        self.register_buffer("mean", torch.zeros(1, 1, 227, 227))
        self.register_buffer("components", torch.zeros(PCA_SIZE, 1, 227, 227))

    def start_from(self, x: Tensor) -> None:
        """Learns PCA from good images (N, 1, 227, 227)."""
        pca = LinearAutoencoder(x, PCA_SIZE)
        self.mean.copy_(pca.mean)
        self.components.zero_()[: pca.size] = pca.components

    def linear(self, x: Tensor) -> Tensor:
        """What PCA makes of images (B, 1, 227, 227), same shape."""
        with torch.autocast(x.device.type, enabled=False):
            return LinearAutoencoder.of(self.mean, self.components)(x.float())

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 1, 227, 227) in [0, 1] to (B, 2, 227, 227): repaired, and log-odds of a stain.

        If PCA's pictures come with them, (B, 2, 227, 227), it looks once, beside those.
        """
        if x.shape[1] == 2:
            return self.look(x[:, :1], x[:, 1:])
        first = self.look(x, self.linear(x))
        cleaned = torch.lerp(x, first[:, :1], first[:, 1:].sigmoid())  # where spoiled, repaired
        return self.look(x, self.linear(cleaned))

    def look(self, x: Tensor, linear: Tensor) -> Tensor:
        """One look at images and PCA's pictures (B, 1, 227, 227); returns as `forward`."""
        seen = torch.cat([x - linear, linear - self.mean], dim=1)  # (B, 2, 227, 227)
        drawn = super().forward(seen).float()  # (B, 2, 227, 227)
        repaired = torch.sigmoid(drawn[:, :1] + linear.clamp(0.01, 0.99).logit())
        return torch.cat([repaired, drawn[:, 1:] + RARELY], dim=1)


def count_parameters(model: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(parameter.numel() for parameter in model.parameters())
