"""The network's shapes and sizes against independent arithmetic."""

import pytest
import torch
from torch import nn

from course_ae.baselines import PCA_SIZE, LinearAutoencoder
from course_ae.classroom.layers import describe, layer_table
from course_ae.classroom.layers import outputs as layer_outputs
from course_ae.model import (
    RARELY,
    SKIPS,
    SLIDES_PARAMETERS,
    ConvAutoencoder,
    channels,
    count_parameters,
)
from course_ae.settings import make_settings
from course_ae.support.fast_conv import FastConvTranspose2d
from course_ae.training import build_model

TINY = {"width": 0.05, "bottleneck": 8}
ENCODER_SHAPES = {
    "conv1": (96, 55, 55),
    "pool1": (96, 27, 27),
    "conv2": (256, 27, 27),
    "pool2": (256, 13, 13),
    "conv3": (384, 13, 13),
    "conv4": (384, 13, 13),
    "conv5": (256, 13, 13),
    "pool5": (256, 6, 6),
    "flatten": (9216,),
    "dense": (2048,),
}
DECODER_SHAPES = {
    "dense": (9216,),
    "unflatten": (256, 6, 6),
    "up5": (256, 13, 13),
    "conv5": (384, 13, 13),
    "conv4": (384, 13, 13),
    "conv3": (256, 13, 13),
    "up2": (256, 27, 27),
    "conv2": (96, 27, 27),
    "up1": (96, 55, 55),
    "conv1": (1, 227, 227),
    "sigmoid": (1, 227, 227),
}
# Inputs, outputs and window of every layer with weights, written down from the drawing.
WEIGHTED = {
    "encoder": {
        "conv1": (1, 96, 11),
        "conv2": (96, 256, 5),
        "conv3": (256, 384, 3),
        "conv4": (384, 384, 3),
        "conv5": (384, 256, 3),
        "dense": (9216, 2048, 1),
    },
    "decoder": {
        "dense": (2048, 9216, 1),
        "up5": (256, 256, 3),
        "conv5": (256, 384, 3),
        "conv4": (384, 384, 3),
        "conv3": (384, 256, 3),
        "up2": (256, 256, 3),
        "conv2": (256, 96, 5),
        "up1": (96, 96, 3),
        "conv1": (96, 1, 11),
    },
}


def expected_parameters(batch_norm: bool) -> dict[tuple[str, str], int]:
    """Weights, biases, and with batch normalisation a scale and a shift for each feature."""
    counts = {}
    for part, layers in WEIGHTED.items():
        for name, (inputs, outputs, window) in layers.items():
            hidden = (part, name) != ("decoder", "conv1")
            counts[part, name] = inputs * outputs * window**2 + outputs
            counts[part, name] += 2 * outputs * (batch_norm and hidden)
    return counts


@pytest.fixture(scope="module", params=[True, False], ids=["batch_norm", "plain"])
def full(request):
    """The slides' network without memory for its weights, and whether it is normalised."""
    with torch.device("meta"):
        return ConvAutoencoder(batch_norm=request.param), request.param


def test_every_stage_of_the_full_network_has_alexnets_shape(full):
    model, _ = full
    rows = layer_table(model)
    shapes = {(row["part"], row["layer"]): row["shape"] for row in rows}
    assert shapes == {
        **{("encoder", name): shape for name, shape in ENCODER_SHAPES.items()},
        **{("decoder", name): shape for name, shape in DECODER_SHAPES.items()},
    }
    assert [row["layer"] for row in rows] == [*ENCODER_SHAPES, *DECODER_SHAPES]  # in order


def test_parameters_of_the_full_network_equal_independent_arithmetic(full):
    model, batch_norm = full
    expected = expected_parameters(batch_norm)
    rows = layer_table(model)
    assert {(r["part"], r["layer"]): r["parameters"] for r in rows if r["parameters"]} == expected
    assert sum(row["parameters"] for row in rows) == count_parameters(model)
    assert count_parameters(model) == sum(expected.values())


def test_count_is_odd_without_batch_norm_so_it_cannot_be_the_slides():
    with torch.device("meta"):
        count = count_parameters(ConvAutoencoder(batch_norm=False))
        wider = count_parameters(ConvAutoencoder(bottleneck=4096, batch_norm=False))
    assert count % 2 == 1 and wider % 2 == 1
    assert (count - 1) % 32 == 0  # every hidden layer has a multiple of 32; 96 * 121 too
    assert SLIDES_PARAMETERS == 60_664_758
    assert SLIDES_PARAMETERS % 2 == 0 and SLIDES_PARAMETERS % 32 == 22


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("count", [2, 3])
def test_images_of_227_pixels_go_in_and_come_out(batch_norm, count):
    torch.manual_seed(0)
    model = ConvAutoencoder(**TINY, batch_norm=batch_norm)
    x = torch.rand(count, 1, 227, 227)
    x_hat = model(x)
    assert x_hat.shape == x.shape
    assert x_hat.min() >= 0 and x_hat.max() <= 1
    assert model.encoder(x).shape == (count, 8)
    assert torch.equal(model.decoder(model.encoder(x)), model(x))


def test_one_image_alone_can_be_rebuilt_after_training():
    model = ConvAutoencoder(**TINY).eval()
    assert model(torch.rand(1, 1, 227, 227)).shape == (1, 1, 227, 227)


def test_every_parameter_is_trained():
    torch.manual_seed(0)
    model = ConvAutoencoder(**TINY, batch_norm=False)
    model(torch.rand(2, 1, 227, 227)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (1.0, (96, 256, 384, 384, 256)),
        (0.25, (24, 64, 96, 96, 64)),
        (2.0, (192, 512, 768, 768, 512)),
        (0.01, (4, 4, 4, 4, 4)),
    ],
)
def test_width_multiplies_alexnets_channels(width, expected):
    assert channels(width) == expected
    with torch.device("meta"):
        model = ConvAutoencoder(width=width, bottleneck=10)
    convolutions = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert tuple(m.out_channels for m in convolutions) == expected
    assert model.encoder.dense.layer.in_features == expected[-1] * 36
    assert model.encoder.dense.layer.out_features == 10


def test_layer_table_sums_to_the_total_and_leaves_the_network_as_it_was():
    model = ConvAutoencoder(**TINY).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = layer_table(model)
    assert sum(row["parameters"] for row in rows) == count_parameters(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.eval().training
    layer_table(model)
    assert not model.training


def test_every_hidden_layer_is_normalised_only_where_asked():
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    for batch_norm, count in ((True, 14), (False, 0)):
        model = ConvAutoencoder(**TINY, batch_norm=batch_norm)
        assert sum(isinstance(m, kinds) for m in model.modules()) == count
        assert sum(isinstance(m, nn.ReLU) for m in model.modules()) == 14


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Conv2d(1, 4, 11, stride=4), "convolution 11x11, stride 4"),
        (nn.Conv2d(1, 4, 3, padding=1), "convolution 3x3"),
        (nn.ConvTranspose2d(4, 4, 3, stride=2), "transposed convolution 3x3, stride 2"),
        (nn.MaxPool2d(3, stride=2), "max pooling 3x3, stride 2"),
        (nn.Linear(3, 4), "fully connected"),
        (nn.Flatten(), "to a vector"),
        (nn.Unflatten(1, (1, 2, 2)), "to a grid"),
        (nn.Sigmoid(), "sigmoid"),
    ],
)
def test_layers_are_described_in_words(layer, words):
    assert describe(layer) == words


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    def weights(seed):
        model = build_model(make_settings(seed=seed, **TINY))
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    first = weights(3)
    torch.rand(5)  # random numbers drawn in between change nothing
    assert torch.equal(weights(3), first)
    assert not torch.equal(weights(4), first)


def test_build_model_follows_the_settings():
    model = build_model(make_settings(width=0.1, bottleneck=12, batch_norm=False))
    assert model.encoder.conv1.layer.out_channels == round(96 * 0.1)
    assert model.encoder.dense.layer.out_features == 12
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "kernel", "stride"),
    [(3, 1, 11, 4), (4, 5, 3, 2), (2, 3, 4, 2), (1, 2, 2, 3), (2, 2, 5, 1)],
)
def test_our_transposed_convolution_equals_torchs(channels_in, channels_out, kernel, stride):
    torch.manual_seed(0)
    ours = FastConvTranspose2d(channels_in, channels_out, kernel, stride)
    torchs = torch.nn.ConvTranspose2d(channels_in, channels_out, kernel, stride)
    torchs.load_state_dict(ours.state_dict())
    x = torch.rand(2, channels_in, 6, 9, requires_grad=True)
    found, expected = ours(x), torchs(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(found.square().sum(), x)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    torch.testing.assert_close(gradient, wanted, atol=1e-4, rtol=1e-4)


def test_skips_add_the_encoders_maps_where_the_shapes_mirror():
    torch.manual_seed(0)
    plain = ConvAutoencoder(width=0.05, bottleneck=8).eval()
    open_ = ConvAutoencoder(width=0.05, bottleneck=8, skips=True).eval()
    open_.load_state_dict(plain.state_dict())  # skips have no parameters
    x = torch.rand(2, 1, 227, 227)
    with torch.no_grad():
        assert not torch.equal(plain(x), open_(x))
        for decoder_layer, encoder_layer in SKIPS.items():
            open_.skips = {decoder_layer: encoder_layer}
            assert not torch.equal(plain(x), open_(x))
        open_.skips = {}
        assert torch.equal(plain(x), open_(x))


def test_a_network_may_start_from_the_mean_image():
    model = build_model(make_settings(width=0.1, bottleneck=12, from_mean=True)).eval()
    plain = build_model(make_settings(width=0.1, bottleneck=12, from_mean=False))
    assert count_parameters(model) == count_parameters(plain)  # the picture is no parameter
    x = torch.rand(5, 1, 227, 227) * 0.8 + 0.1
    model.start_from(x)
    with torch.no_grad():
        model.decoder.conv1.weight.zero_()
        model.decoder.conv1.bias.zero_()
        drawn = model(x[:2])
    torch.testing.assert_close(drawn, x.mean(dim=0, keepdim=True).expand_as(drawn))


@pytest.mark.parametrize("skips", [True, False])
def test_a_denoiser_begins_as_pca_and_has_skips_if_asked_for(skips):
    denoiser = build_model(make_settings("best", width=0.1, bottleneck=12, skips=skips)).eval()
    x = torch.rand(9, 1, 227, 227, generator=torch.Generator().manual_seed(0))
    denoiser.start_from(x)
    linear = LinearAutoencoder(x, PCA_SIZE)(x).clamp(0.01, 0.99)
    assert bool(denoiser.skips) == skips
    with torch.no_grad():
        denoiser.decoder.conv1.weight.zero_()
        denoiser.decoder.conv1.bias.zero_()
        drawn = denoiser(x)
    torch.testing.assert_close(drawn[:, :1], linear, atol=1e-4, rtol=1e-4)
    assert (drawn[:, 1] == RARELY).all()


def test_a_denoiser_looks_again_at_what_pca_makes_of_the_cleaned_image():
    denoiser = build_model(make_settings("best", width=0.1, bottleneck=12)).eval()
    x = torch.rand(9, 1, 227, 227, generator=torch.Generator().manual_seed(0))
    denoiser.start_from(x[:6])
    last, x = denoiser.decoder.conv1, x[6:]  # new ones
    torch.nn.init.normal_(last.weight, std=0.1)
    with torch.no_grad():
        denoiser.components[0] = 1 / 227  # PCA can draw brighter images,
        last.bias.copy_(torch.tensor([2.0, 3.0]))  # and repaired ones are, nearly everywhere
        once = denoiser(torch.cat([x, denoiser.linear(x)], dim=1))
        repaired, spoiled = once[:, :1], 1 / (1 + (-once[:, 1:]).exp())
        clean = (1 - spoiled) * x + spoiled * repaired
        expected = denoiser(torch.cat([x, denoiser.linear(clean)], dim=1))
        twice = denoiser(x)
        assert (twice - once).abs().max() > 0.01
        torch.testing.assert_close(twice, expected, atol=1e-3, rtol=1e-3)
        last.bias[1] = -1e4  # nothing is marked, and nothing to clean
        same = denoiser(torch.cat([x, denoiser.linear(x)], dim=1))
        torch.testing.assert_close(denoiser(x)[:, :1], same[:, :1])


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("from_mean", [False, True])
def test_what_the_layers_make_of_an_image_ends_in_what_the_network_draws(skips, from_mean):
    x = torch.rand(3, 1, 227, 227, generator=torch.Generator().manual_seed(0))
    model = ConvAutoencoder(0.05, 8, skips=skips, from_mean=from_mean).eval()
    if from_mean:
        model.start_from(x)
    torch.nn.init.normal_(model.decoder.conv1.weight)  # as after training, not nothing
    *_, drawn = layer_outputs(model, x).values()
    assert torch.allclose(drawn, model(x), atol=1e-6)
