"""A network and images that train in milliseconds: `fit` takes any network and image size."""

import torch
from torch import nn

from course_ae.baselines import LinearAutoencoder
from course_ae.settings import make_settings

SIZE = 12  # pixels


class SmallNetwork(nn.Module):
    """A network that trains in milliseconds and notes the batches it was trained on."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.batches = []
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(SIZE**2, 6),
            nn.BatchNorm1d(6),  # fails in training on a single image
            nn.ReLU(),
            nn.Linear(6, SIZE**2),
            nn.Sigmoid(),
            nn.Unflatten(1, (1, SIZE, SIZE)),
        )

    def forward(self, x):
        if self.training:
            self.batches.append(len(x))
        return self.layers(x)


class SmallDenoiser(SmallNetwork):
    """The same for a denoiser, which sees two pictures and draws two."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.layers[1], self.layers[4] = nn.Linear(2 * SIZE**2, 6), nn.Linear(6, 2 * SIZE**2)
        self.layers[6] = nn.Unflatten(1, (2, SIZE, SIZE))

    def start_from(self, x):
        self.linear = LinearAutoencoder(x, 3)

    def forward(self, x):
        return super().forward(x if x.shape[1] == 2 else torch.cat([x, self.linear(x)], dim=1))


def random_images(count, seed=0):
    return torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def small_settings(**overrides):
    options = {"loss": "l2", "learning_rate": 0.01, "batch_size": 4, "epochs": 4, "patience": 99,
               "one_cycle": False, "from_mean": False, "gradient_clip": 0.0}  # fmt: skip
    return make_settings(**{**options, **overrides})


def without_seconds(result):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]


def same_weights(one, other):
    same = all(torch.equal(value, other[name]) for name, value in one.items())
    return one.keys() == other.keys() and same
