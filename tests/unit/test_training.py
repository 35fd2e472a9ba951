"""Training: it learns, stops in time, repeats, and tells a network that rebuilds nothing."""

import math

import numpy as np
import pytest
import torch
from small_network import (
    SIZE,
    SmallNetwork,
    random_images,
    same_weights,
    small_settings,
    without_seconds,
)
from torch import nn

from course_ae import training
from course_ae.baselines import FOLDS, CrossFitted, LinearAutoencoder
from course_ae.corruption import VISIBLE
from course_ae.experiment import callbacks
from course_ae.experiment.dependence import Dependence, depends_on_input
from course_ae.settings import make_settings
from course_ae.ssim import l2_loss, ssim_loss
from course_ae.support.errors import CourseError
from course_ae.support.processes import OneProcess
from course_ae.training import (
    STAIN_WEIGHT,
    Training,
    build_model,
    draw,
    evaluate_loss,
    fit,
    reconstruct,
    to_uint8,
    total_loss,
    train_epoch,
    training_batches,
)


class Scaled(nn.Module):
    """Rebuilds its input with less contrast; 0 draws the same gray for every image."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return 0.5 + self.factor * (x - 0.5)


def scripted_validation(monkeypatch, model, losses):
    """Lets the validation losses follow a script; returns the weights after each epoch."""
    seen = []

    def next_loss(x_hat, x, loss):
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return losses[len(seen) - 1]

    monkeypatch.setattr(training, "evaluate_loss", next_loss)
    return seen


@pytest.mark.parametrize("loss", ["ssim", "l2"])
def test_the_courses_network_learns_to_rebuild_bottles(bottles, loss):
    settings = make_settings(
        width=0.05, bottleneck=8, epochs=4, batch_size=4, loss=loss, learning_rate=0.005,
        one_cycle=False, from_mean=False,
    )  # fmt: skip
    model = build_model(settings)
    result = fit(model, bottles, bottles[:2], settings)
    losses = [row["train_loss"] for row in result.history]
    assert losses[-1] < 0.97 * losses[0]
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4]
    assert all(row["seconds"] > 0 for row in result.history)


def test_a_small_network_overfits_a_few_images():
    x = random_images(4)
    model = SmallNetwork()
    result = fit(model, x, x, small_settings(epochs=60, learning_rate=0.05))
    history = result.history
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    best = min(row["val_loss"] for row in history)
    assert evaluate_loss(reconstruct(model, x), x, "l2") == pytest.approx(best, rel=1e-5)


def test_training_stops_patience_epochs_after_the_best_and_restores_its_weights(monkeypatch):
    model = SmallNetwork()
    losses = [5.0, 4.0, 3.0, 3.0, 3.5, 3.2, 0.1, 0.1]  # an equal loss is no better one
    after = scripted_validation(monkeypatch, model, losses)
    result = fit(model, random_images(8), random_images(2), small_settings(epochs=8, patience=3))
    assert [row["val_loss"] for row in result.history] == losses[:6]
    assert result.best_epoch == 3
    assert same_weights(model.state_dict(), after[2])
    assert not same_weights(model.state_dict(), after[5])


def test_a_better_epoch_starts_the_patience_anew(monkeypatch):
    model = SmallNetwork()
    losses = [5.0, 6.0, 4.0, 6.0, 3.0, 6.0, 6.0, 1.0]
    scripted_validation(monkeypatch, model, losses)
    result = fit(model, random_images(8), random_images(2), small_settings(epochs=8, patience=2))
    assert len(result.history) == 7
    assert result.best_epoch == 5


def test_training_ends_after_the_last_epoch_while_it_still_improves(monkeypatch):
    model = SmallNetwork()
    after = scripted_validation(monkeypatch, model, [5.0, 4.0, 3.0])
    result = fit(model, random_images(8), random_images(2), small_settings(epochs=3, patience=1))
    assert (len(result.history), result.best_epoch) == (3, 3)
    assert same_weights(model.state_dict(), after[2])


def test_a_training_that_diverges_at_once_is_an_error_and_no_model(monkeypatch):
    model = SmallNetwork()
    scripted_validation(monkeypatch, model, [math.nan] * 3)
    with pytest.raises(CourseError, match="lower 'learning_rate'"):
        fit(model, random_images(8), random_images(2), small_settings(epochs=8, patience=3))


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_training_that_diverges_later_keeps_what_was_best(monkeypatch, tmp_path, capsys, loss):
    model, path = SmallNetwork(), tmp_path / "a.checkpoint"
    after = scripted_validation(monkeypatch, model, [2.0, 1.0, 1.5, loss, 0.5])
    monkeypatch.setattr(callbacks, "CHECKPOINT_SHARE", math.inf)
    settings = small_settings(epochs=9, patience=4)
    images = random_images(8), random_images(2)
    result = fit(model, *images, settings, [callbacks.Checkpoint(path)])
    assert (len(result.history), result.best_epoch) == (3, 2)
    assert same_weights(model.state_dict(), after[1])
    assert "no number in epoch 4; the weights of epoch 2 are kept" in capsys.readouterr().out
    kept = torch.load(path, weights_only=True)  # the last good state
    assert len(kept["history"]) == 3 and same_weights(kept["model"], after[2])


def test_a_real_divergence_is_an_error_and_not_a_model(bottles):
    settings = small_settings(learning_rate=1.0, loss="l2", width=0.05, bottleneck=8)
    with pytest.raises(CourseError, match="no number from the first epoch"):
        fit(build_model(settings), bottles * math.nan, bottles, settings)


def test_same_seed_gives_the_same_history_and_weights_and_another_seed_others():
    x, x_val = random_images(9), random_images(3, seed=1)

    def train(seed):
        model = SmallNetwork()  # the same initial weights: only the order of the images differs
        return model, fit(model, x, x_val, small_settings(seed=seed))

    (model, result), (again, repeated), (other, another) = train(0), train(0), train(1)
    assert without_seconds(repeated) == without_seconds(result)
    assert same_weights(again.state_dict(), model.state_dict())
    assert without_seconds(another) != without_seconds(result)
    assert not same_weights(other.state_dict(), model.state_dict())


def test_the_courses_network_repeats_its_training_too(bottles):
    settings = make_settings(width=0.05, bottleneck=8, epochs=1, batch_size=4)

    def train():
        model = build_model(settings)
        return model, fit(model, bottles, bottles[:2], settings)

    (model, result), (again, repeated) = train(), train()
    assert without_seconds(repeated) == without_seconds(result)
    assert same_weights(again.state_dict(), model.state_dict())


def test_a_last_batch_of_one_image_is_skipped():
    model = SmallNetwork()
    x = random_images(7)
    with pytest.raises(ValueError, match="more than 1 value"):
        model.train()(x[:1])  # what would happen otherwise
    model.batches.clear()
    result = fit(model, x, x[:1], small_settings(batch_size=3, epochs=2))
    assert model.batches == [3, 3, 3, 3]
    assert all(math.isfinite(row["train_loss"]) for row in result.history)


def test_every_image_is_seen_once_an_epoch_and_the_loss_is_their_mean():
    x = random_images(7) * torch.linspace(0.1, 1, 7).view(-1, 1, 1, 1)  # very different losses
    model = nn.Conv2d(1, 1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)  # weights stay, so the mean is known
    seen, settings = [], small_settings(batch_size=4)
    batches = training_batches(x, settings, torch.Generator().manual_seed(0))
    found = train_epoch(model, optimizer, batches, "l2", seen.append)
    assert seen == [4, 3]
    with torch.no_grad():
        expected = l2_loss(model(x), x).item()
    assert found == pytest.approx(expected, rel=0.02)  # bfloat16 layers where there are any


def test_the_order_of_the_images_changes_from_epoch_to_epoch():
    x, generator, orders = random_images(8), torch.Generator().manual_seed(0), []
    for _ in range(3):
        batches = [shown for shown, _ in training_batches(x, small_settings(), generator)]
        orders.append(
            [int((x == one).flatten(1).all(dim=1).nonzero()) for one in torch.cat(batches)]
        )
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_a_denoiser_is_shown_stains_and_asked_for_clean_images_and_the_stains(bottles):
    settings, generator = small_settings(denoise=True, batch_size=8), torch.Generator()
    linear = CrossFitted(bottles, 3)
    ((shown, wanted),) = training_batches(bottles, settings, generator.manual_seed(0), 2, linear)
    assert shown.shape == wanted.shape == (8, 2, 227, 227)
    (stained, rebuilt), (x, marked) = shown.split(1, dim=1), wanted.split(1, dim=1)
    assert sorted(x.sum((1, 2, 3)).tolist()) == sorted(bottles.sum((1, 2, 3)).tolist())
    assert 4 <= (stained != x).flatten(1).any(dim=1).sum() <= 8
    assert shown.min() >= 0 and shown.max() <= 1
    assert torch.equal(marked, ((stained - x).abs() > VISIBLE).float())
    own = [int((bottles == one).flatten(1).all(dim=1).nonzero()) for one in x]
    for i, image in enumerate(own):  # by PCA of the images in the other folds
        others = torch.arange(8) % FOLDS != image % FOLDS
        expected = LinearAutoencoder(bottles[others], 3)(stained[i : i + 1])
        torch.testing.assert_close(rebuilt[i : i + 1], expected)


def test_the_loss_of_a_denoiser_counts_what_it_marks():
    drawn, wanted = random_images(2), random_images(2, seed=1)
    stains = torch.zeros(2, 1, SIZE, SIZE)
    stains[0, 0, :3] = 1
    both = [torch.cat([wanted, stains], dim=1)] * 3
    marks = (stains * 20 - 10, torch.full_like(stains, -3.0), 10 - stains * 20)
    right, shy, wrong = (
        total_loss(torch.cat([drawn, mark], dim=1), want, "l2").item()
        for mark, want in zip(marks, both, strict=True)
    )
    assert right == pytest.approx(l2_loss(drawn, wanted).item(), abs=1e-4)
    assert right < shy < wrong
    p = torch.sigmoid(torch.tensor(3.0)).item()  # by hand, of stains that are a quarter of image 1
    focal = 7 / 8 * (1 - p) * -math.log(p) + 1 / 8 * p * -math.log(1 - p)
    assert shy - l2_loss(drawn, wanted).item() == pytest.approx(STAIN_WEIGHT * focal, rel=1e-4)


def test_the_step_size_of_one_cycle_rises_and_falls_to_nothing(monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def note_rate(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", note_rate)
    settings = small_settings(epochs=10, patience=10, one_cycle=True, learning_rate=0.01)
    fit(SmallNetwork(), random_images(9), random_images(3), settings)
    top = int(np.argmax(rates))
    assert max(rates) == pytest.approx(0.01, rel=0.02) and 0 < top < len(rates) / 4
    assert rates[0] < 0.001 and rates[-1] < 0.0001


@pytest.mark.parametrize("epoch_images", [0, 17])
@pytest.mark.parametrize("images", range(2, 31))
def test_one_cycle_can_have_any_number_of_steps(images, epoch_images):
    settings = small_settings(one_cycle=True, batch_size=2, epochs=1, epoch_images=epoch_images)
    fit(SmallNetwork(), random_images(images), random_images(2), settings)


def test_few_images_are_shown_again_and_again_each_as_often_as_the_others():
    x, generator = random_images(5), torch.Generator().manual_seed(0)
    settings = small_settings(epoch_images=17)
    batches = list(training_batches(x, settings, generator))
    assert [len(shown) for shown, _ in batches] == [4, 4, 4, 4]  # one is too few for a batch
    shown = torch.cat([shown for shown, _ in batches])
    times = [sum(torch.equal(a, b) for b in shown) for a in x]
    assert sum(times) == 16 and min(times) >= 3 and max(times) <= 4
    first, second = shown[:5], shown[5:10]
    assert not torch.equal(first, second)  # each round has an order of its own


@pytest.mark.parametrize("epoch_images", [0, 7, 8])
def test_enough_images_are_shown_once(epoch_images):
    x, generator = random_images(8), torch.Generator().manual_seed(0)
    settings = small_settings(epoch_images=epoch_images)
    shown = torch.cat([shown for shown, _ in training_batches(x, settings, generator)])
    assert torch.equal(shown, x[torch.randperm(8, generator=generator.manual_seed(0))])


def test_a_fresh_training_result_is_empty_and_shares_nothing():
    Training().history.append({})
    assert Training() == Training([], 0, {})


@pytest.mark.parametrize("loss", ["ssim", "l2"])
def test_evaluated_loss_is_the_mean_over_all_images_whatever_the_batches(loss):
    x, x_hat = random_images(70), random_images(70, seed=1) * torch.rand(70, 1, 1, 1)
    formula = {"ssim": ssim_loss, "l2": l2_loss}[loss]
    one_by_one = [formula(x_hat[i : i + 1], x[i : i + 1]).item() for i in range(70)]
    assert evaluate_loss(x_hat, x, loss) == pytest.approx(np.mean(one_by_one), rel=1e-4)


def test_reconstructions_do_not_depend_on_the_batch_and_track_no_gradient():
    x = random_images(5)
    model = SmallNetwork()
    with torch.no_grad():
        model.train()(x)  # moves the batch normalisation's averages
    alone = draw(model, x, batch_size=1)
    torch.testing.assert_close(alone, draw(model, x, batch_size=3))
    assert torch.equal(reconstruct(model, x), draw(model, x))
    assert alone.shape == x.shape and not alone.requires_grad
    assert not model.training


@pytest.mark.parametrize(
    ("factor", "collapsed"), [(0.0, True), (0.3, True), (0.4, False), (1.0, False)]
)
def test_dependence_is_the_share_of_the_inputs_spread(factor, collapsed):
    x = random_images(40)
    found = depends_on_input(Scaled(factor), x)
    assert found.ratio == pytest.approx(factor, abs=1e-5)
    assert found.collapsed is collapsed
    by_hand = np.asarray(x).std(axis=0).mean()  # over images, then averaged over pixels
    assert found.input_std == pytest.approx(by_hand, rel=1e-5)
    assert found.output_std == pytest.approx(factor * by_hand, abs=1e-6)


class Lamp(torch.nn.Module):
    """Draws the same picture for each image, as bright as the image is."""

    def __init__(self, picture):
        super().__init__()
        self.picture = torch.nn.Parameter(picture)

    def forward(self, x):
        return self.picture + 12 * (x.mean(dim=(1, 2, 3), keepdim=True) - 0.5)


def test_an_average_that_only_gets_brighter_is_found_out():
    x = random_images(40)
    found = depends_on_input(Lamp(x.mean(dim=0, keepdim=True)), x)
    assert found.ratio > 1 / 3  # it varies
    assert found.nearest_own < 0.3 and found.collapsed


def test_the_nearest_image_is_counted():
    x = random_images(8)
    assert depends_on_input(Scaled(1.0), x).nearest_own == 1
    shifted = torch.cat([x[:6], x[[7, 6]]])  # two are drawn as each other

    class Swapped(Scaled):
        def forward(self, x):
            return shifted

    assert depends_on_input(Swapped(1.0), x).nearest_own == 6 / 8


def test_identical_images_say_nothing_about_dependence():
    found = depends_on_input(Scaled(1.0), torch.full((3, 1, 4, 4), 0.25))
    assert found == Dependence(0.0, 0.0, 1.0)
    assert found.ratio == 1.0 and not found.collapsed


def test_pixels_are_rounded_to_whole_gray_levels():
    x = torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 127.6 / 255, 1.0]).view(1, 1, 1, 5)
    assert to_uint8(x).tolist() == [[[0, 0, 1, 128, 255]]]
    assert to_uint8(x).dtype == np.uint8


class ManyProcesses(OneProcess):
    """Stands for a training that several processes share."""

    count = 3


def test_too_small_batches_for_all_processes_are_refused():
    x = random_images(9)
    with pytest.raises(CourseError, match="3 processes need batches of at least 6 images"):
        fit(SmallNetwork(), x, x[:2], small_settings(batch_size=4), processes=ManyProcesses())


def test_each_process_takes_its_part_and_all_hear_the_same_losses():
    class Second(ManyProcesses):
        def share(self, batches):
            for batch in batches:
                yield tuple(images[1::3] for images in batch)

        def mean(self, *values):
            return [2 * value for value in values]

        def average_statistics(self, network):
            averaged.append(network)

    averaged, model = [], SmallNetwork()
    settings = small_settings(batch_size=6, epochs=2)
    result = fit(model, random_images(13), random_images(3), settings, processes=Second())
    assert model.batches == [2, 2] * 2  # of two batches of six; one image is too few for three
    assert averaged == [model, model]
    own = [evaluate_loss(reconstruct(model, random_images(3)), random_images(3), "l2")]
    best = result.history[result.best_epoch - 1]
    assert best["val_loss"] == pytest.approx(2 * own[0], rel=1e-5)


@pytest.mark.parametrize(("clip", "expected"), [(0.0, None), (0.01, 0.01), (1e6, None)])
def test_a_long_gradient_is_cut_before_the_step(clip, expected):
    torch.manual_seed(0)
    model, x = SmallNetwork(), random_images(4)
    before = torch.cat([one.detach().flatten().clone() for one in model.parameters()])
    l2_loss(model(x), x).backward()
    length = torch.cat([one.grad.flatten() for one in model.parameters()]).norm().item()
    assert length > 0.01  # so that there is something to cut
    step_of_one = torch.optim.SGD(model.parameters(), lr=1.0)
    train_epoch(model, step_of_one, [(x, x)], "l2", lambda count: None, clip)
    after = torch.cat([one.detach().flatten() for one in model.parameters()])
    assert (after - before).norm().item() == pytest.approx(expected or length, rel=1e-3)
