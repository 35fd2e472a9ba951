"""SSIM against two independent implementations and by hand."""

import pytest
import pytorch_msssim
import torch
from skimage.metrics import structural_similarity
from torch.nn.functional import avg_pool2d

from course_ae.ssim import l2_loss, ssim_components, ssim_loss, ssim_map
from course_ae.support.local_mean import local_mean, window_matrix

BORDER = 5  # pixels without a full window
# The largest error of one pixel: in flat places E[x^2] - E[x]^2 is off by some 1e-8, beside
# C2 = 9e-4. Measured: 2e-7 on noise, 1e-6 on smooth images, 2e-4 on bottles.
ROUNDING = 4e-4
PAIRS = ("random", "smooth", "bottles", "rebuilt")


@pytest.fixture
def pairs(bottles) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Image pairs of very different kinds, (B, 1, H, W) in [0, 1]."""
    noise = torch.rand(4, 1, 96, 80, generator=torch.Generator().manual_seed(0))
    smooth = avg_pool2d(noise, 15, stride=1)
    return {
        "random": (noise[:2], noise[2:]),
        "smooth": (smooth[:2], smooth[2:]),
        "bottles": (bottles[:4], bottles[4:]),
        "rebuilt": (bottles, avg_pool2d(bottles, 5, stride=1, padding=2)),
    }


def oracle(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """scikit-image's SSIM map in float64, (B, H, W)."""
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "full": True}
    options["use_sample_covariance"] = False
    return torch.stack(
        [
            torch.from_numpy(structural_similarity(a.numpy(), b.numpy(), **options)[1])
            for a, b in zip(x[:, 0].double(), y[:, 0].double(), strict=True)
        ]
    )


def interior(maps: torch.Tensor) -> torch.Tensor:
    return maps[..., BORDER:-BORDER, BORDER:-BORDER]


@pytest.mark.parametrize("kind", PAIRS)
def test_map_equals_scikit_image_in_the_interior(pairs, kind):
    x, y = pairs[kind]
    found = ssim_map(x, y)
    assert found.shape == (len(x), *x.shape[2:])
    assert found.dtype == torch.float32
    difference = (interior(found) - interior(oracle(x, y))).abs()
    assert difference.max() < ROUNDING
    assert difference.mean() < ROUNDING / 20


@pytest.mark.parametrize("kind", PAIRS)
def test_interior_mean_equals_pytorch_msssim(pairs, kind):
    x, y = pairs[kind]
    expected = pytorch_msssim.ssim(x, y, data_range=1.0, size_average=False)  # (B,)
    torch.testing.assert_close(
        interior(ssim_map(x, y)).mean(dim=(1, 2)), expected, atol=2e-5, rtol=0
    )
    assert ssim_loss(y, x).item() == pytest.approx(1 - expected.mean().item(), abs=2e-5)


@pytest.mark.parametrize("kind", PAIRS)
def test_components_multiply_to_ssim_and_stay_in_their_ranges(pairs, kind):
    x, y = pairs[kind]
    luminance, contrast, structure = ssim_components(x, y)
    product = interior(luminance * contrast * structure).double()
    torch.testing.assert_close(product, interior(oracle(x, y)), atol=ROUNDING, rtol=0)
    # The structure divides by a product of two rounded deviations; measured: up to 1.04.
    ranges = ((luminance, 0, ROUNDING), (contrast, 0, ROUNDING), (structure, -1, 0.05))
    for component, lowest, rounding in ranges:
        assert lowest - rounding <= component.min() and component.max() <= 1 + rounding
        assert component.std() > 1e-4  # none of them is a constant


def test_each_component_sees_its_own_kind_of_change():
    noise = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    x = 0.4 + 0.2 * noise
    brighter, flatter, other = x + 0.3, x.mean() + 0.3 * (x - x.mean()), 0.4 + 0.2 * noise.flip(-1)
    changes = {}
    for name, y in (("brighter", brighter), ("flatter", flatter), ("other", other)):
        luminance, contrast, structure = (c.mean().item() for c in ssim_components(x, y))
        changes[name] = {"luminance": luminance, "contrast": contrast, "structure": structure}
    lowest = {name: min(parts, key=parts.get) for name, parts in changes.items()}
    assert lowest == {"brighter": "luminance", "flatter": "contrast", "other": "structure"}
    assert changes["brighter"]["contrast"] == pytest.approx(1, abs=1e-3)
    assert changes["brighter"]["structure"] == pytest.approx(1, abs=1e-3)


def test_equal_images_have_ssim_one_and_loss_zero(pairs):
    for x, y in pairs.values():
        torch.testing.assert_close(ssim_map(x, x), torch.ones_like(x[:, 0]), atol=ROUNDING, rtol=0)
        assert ssim_loss(x, x).item() == pytest.approx(0, abs=1e-6)
        assert ssim_loss(x, y).item() > 0.01


def test_inverted_pattern_has_ssim_below_zero():
    x = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    x = 0.5 + 0.5 * (x - 0.5)  # the mean stays 0.5 when inverted, so luminance stays 1
    assert ssim_map(x, 1 - x).max() < 0
    assert ssim_map(x, 1 - x).mean() < -0.8
    assert ssim_loss(x, 1 - x).item() > 1


@pytest.mark.parametrize(("a", "b"), [(0.2, 0.6), (0.0, 1.0), (0.5, 0.5), (0.9, 0.1)])
def test_two_constant_images_by_hand(a, b):
    by_hand = (2 * a * b + 0.0001) / (a**2 + b**2 + 0.0001)  # the variances are 0
    x, y = torch.full((1, 1, 32, 32), a), torch.full((1, 1, 32, 32), b)
    torch.testing.assert_close(
        ssim_map(x, y), torch.full((1, 32, 32), by_hand), atol=ROUNDING, rtol=0
    )


def test_local_mean_is_a_normalised_gaussian_of_eleven_pixels():
    image = torch.zeros(1, 31, 31)
    image[0, 15, 15] = 1
    mean = local_mean(image)[0]
    torch.testing.assert_close(mean.sum().item(), 1.0, atol=1e-6, rtol=0)
    assert int((mean > 0).sum()) == 11 * 11
    ratio = (mean[15, 17] / mean[15, 15]).item()
    assert ratio == pytest.approx(0.41111229, abs=1e-6)  # exp(-2^2 / (2 * 1.5^2))


def test_the_gradient_of_the_local_mean_is_that_of_its_matrices():
    image = torch.rand(2, 130, 90, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rows, columns = (window_matrix(size, 3.0, image.device) for size in (130, 90))
    weight = torch.rand(2, 130, 90, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad((local_mean(image, 3.0) * weight).sum(), image)
    (wanted,) = torch.autograd.grad((rows @ image @ columns.T * weight).sum(), image)
    torch.testing.assert_close(found, wanted)


def test_bfloat16_input_is_compared_in_float32(bottles):
    half = bottles.bfloat16()
    found = ssim_map(half, half.flip(-1))
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert found.abs().max() <= 1 + ROUNDING
    torch.testing.assert_close(found, ssim_map(half.float(), half.float().flip(-1)))
    assert ssim_loss(half, half.flip(-1)).dtype == torch.float32
    assert l2_loss(half, half.flip(-1)).dtype == torch.float32


def test_data_range_of_255_makes_very_different_images_look_equal(bottles):
    noise = torch.rand(bottles.shape, generator=torch.Generator().manual_seed(3))
    assert ssim_loss(noise, bottles).item() > 0.8
    assert ssim_loss(noise, bottles, data_range=255).item() < 0.02


def test_loss_has_finite_gradients_that_lower_it(bottles):
    x_hat = torch.full_like(bottles, 0.5, requires_grad=True)  # flat gray: no variance anywhere
    loss = ssim_loss(x_hat, bottles)
    loss.backward()
    assert x_hat.grad.isfinite().all()
    step = x_hat.detach() - 10 * x_hat.grad / x_hat.grad.abs().max() * 0.01
    assert ssim_loss(step, bottles) < loss


def test_the_loss_can_be_trained_with_after_a_look_without_gradients(bottles):
    window_matrix.cache_clear()
    with torch.inference_mode():
        ssim_map(bottles, bottles)
    x_hat = bottles.flip(-1).requires_grad_()
    ssim_loss(x_hat, bottles).backward()
    assert x_hat.grad.abs().sum() > 0


def test_l2_loss_by_hand():
    x, x_hat = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    x_hat[0, 0, 0, 0], x_hat[1, 0, 1, 1] = 0.5, 1.0
    assert l2_loss(x_hat, x).item() == pytest.approx((0.25 + 1) / 8)
