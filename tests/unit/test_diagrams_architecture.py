"""Lesson 03's diagrams: they show what torch computes, and all of their words fit."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.text import Text
from torch import nn

from course_ae.classroom.diagrams import convolution, descent, hourglass
from course_ae.classroom.figures import png
from course_ae.model import Encoder

PICTURE = torch.arange(36.0).view(6, 6)
KERNEL = torch.tensor([[-1.0, 0.0, 1.0]] * 3)


def drawn():
    answer = F.conv2d(PICTURE[None, None], KERNEL[None, None])[0, 0]
    pooled = F.max_pool2d(PICTURE[None, None, :5, :5], 3, 2)[0, 0]
    image, seeds = np.full((227, 227), 0.5), np.array([[1.0, 0.0], [0.0, 2.0]])
    yield convolution.window(PICTURE.numpy(), KERNEL.numpy(), answer.numpy())
    yield convolution.strides()
    yield convolution.answers(image, [image - 0.2, 0.1 - image], ["image", "a", "b"])
    yield convolution.pooling(PICTURE[:5, :5].numpy(), pooled.numpy(), 3, 2)
    yield convolution.stamps(seeds, KERNEL.numpy(), 2)
    yield convolution.receptive_fields(image, {"conv1": 11, "pool5": 195})
    yield descent.downhill()
    yield descent.loss_curves({"small": [1.0, 0.9], "large": [1.0, 2.0]})
    yield hourglass.hourglass(2048)
    yield hourglass.through_codes([image] * 5, [image - 0.1] * 5, [0, 5, 20, 100], [0.1] * 5)
    yield hourglass.on_the_way([[image, image[:55, :55], image]] * 2, ["input", "map", "output"])


def test_diagrams_are_drawn_no_wider_than_a_page_in_letters_one_can_read():
    for figure in drawn():
        assert png(figure).startswith(b"\x89PNG") and figure.get_size_inches()[0] <= 9
        figure.canvas.draw()
        words = [text for axes in figure.axes for text in (*axes.texts, axes.title)]
        words += [text for legend in figure.legends for text in legend.get_texts()]
        page = figure.bbox.padded(2)
        for text in filter(Text.get_text, words):
            box = text.get_window_extent()
            assert page.x0 <= box.x0 and box.x1 <= page.x1, text.get_text()
            assert page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()


def test_the_stamps_add_up_to_the_transposed_convolution():
    seeds = np.array([[1.0, 0.0], [0.0, 2.0]])
    figure = convolution.stamps(seeds, KERNEL.numpy(), 2)
    total = F.conv_transpose2d(
        torch.tensor(seeds).float()[None, None], KERNEL[None, None], stride=2
    )
    written = [text.get_text() for text in figure.axes[0].texts]
    numbers = [word for word in written if word.lstrip("-").isdigit()][-25:]
    wanted = [f"{value:.0f}" for row in total[0, 0].flip(0) for value in row]
    assert numbers == wanted


@pytest.mark.parametrize("rate", [0.01, 0.15, 0.5, 0.9, 1.1])
def test_the_steps_are_those_of_gradient_descent(rate):
    w = nn.Parameter(torch.tensor(descent.START))
    optimiser = torch.optim.SGD([w], lr=rate)
    for wanted in descent.descend(rate, 4):
        assert w.item() == pytest.approx(wanted, abs=1e-5)
        optimiser.zero_grad()
        descent.hill(w).backward()
        optimiser.step()


def test_the_sides_of_the_hourglass_are_those_of_the_encoder():
    x, sides = torch.zeros(1, 1, 227, 227), [227]
    for layer in Encoder(width=0.05, bottleneck=4).eval():
        x = layer(x)
        sides += [x.shape[-1]] if x.dim() == 4 and x.shape[-1] != sides[-1] else []
    assert tuple(sides) == hourglass.SIDES
