"""Beside a training: it goes on after a stop and ends the same, and snapshots are kept."""

from dataclasses import replace

import pytest
import torch
from small_network import (
    SIZE,
    SmallDenoiser,
    SmallNetwork,
    random_images,
    same_weights,
    small_settings,
    without_seconds,
)

from course_ae import training
from course_ae.experiment import callbacks
from course_ae.experiment.callbacks import Checkpoint, Progress, Snapshots
from course_ae.support import checkpoints
from course_ae.support.errors import CourseError
from course_ae.training import Callback, fit


class StoppedError(Exception):
    """Stands for a kill, between two epochs."""


class StopAfter(Callback):
    """Ends the training with an error after some epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def after_epoch(self, state):
        if len(state.result.history) == self.epoch:
            raise StoppedError


class Noted(Callback):
    """Writes down what is called."""

    def __init__(self):
        self.calls = []

    def begin(self, state):
        self.calls.append("begin")

    def after_step(self, count):
        self.calls.append(count)

    def after_epoch(self, state):
        self.calls.append(f"epoch {state.result.history[-1]['epoch']}")

    def end(self):
        self.calls.append("end")


def tiny(**overrides):
    settings = small_settings(**{"patience": 4, "batch_size": 4, **overrides})
    return settings, SmallDenoiser() if settings.denoise else SmallNetwork(), random_images(8)


def test_callbacks_see_every_step_and_epoch_between_begin_and_end():
    settings, model, x = tiny(epochs=2)
    noted = Noted()
    fit(model, x[:6], x[6:], settings, [noted])
    assert noted.calls == ["begin", 4, 2, "epoch 1", 4, 2, "epoch 2", "end"]


def test_callbacks_end_whatever_ends_the_training():
    settings, model, x = tiny()
    noted = Noted()
    with pytest.raises(StoppedError):
        fit(model, x[:6], x[6:], settings, [noted, StopAfter(1)])
    assert noted.calls[-2:] == ["epoch 1", "end"]


@pytest.fixture(scope="module", params=[True, False], ids=["denoiser, one cycle", "plain"])
def whole(request):
    """A training that nobody stopped: its settings, its network and its result."""
    overrides = {"denoise": request.param, "one_cycle": request.param}
    settings, model, x = tiny(**overrides)
    return overrides, model, fit(model, x[:6], x[6:], settings, [Snapshots(x[:2])])


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_a_checkpoint_brings_everything_back(whole, stop_after, tmp_path, monkeypatch):
    overrides, model, result = whole
    monkeypatch.setattr(callbacks, "CHECKPOINT_SHARE", 1e9)  # each epoch, however fast
    path = tmp_path / "state.checkpoint"
    settings, first, x = tiny(**overrides)
    given = [Snapshots(x[:2]), Checkpoint(path)]
    with pytest.raises(StoppedError):
        fit(first, x[:6], x[6:], settings, [*given, StopAfter(stop_after)])
    other = tiny(**overrides)[1]
    torch.rand(7)  # the global generator is of no importance
    again = fit(other, x[:6], x[6:], settings, [Snapshots(x[:2]), Checkpoint(path)])
    assert same_weights(other.state_dict(), model.state_dict())
    assert again.best_epoch == result.best_epoch
    assert without_seconds(again) == without_seconds(result)
    assert again.snapshots.keys() == result.snapshots.keys() == {1, 2, 3}
    assert all((again.snapshots[k] == result.snapshots[k]).all() for k in result.snapshots)


@pytest.mark.parametrize("damage", ["empty", "truncated", "of other settings", "of another form"])
def test_a_checkpoint_that_cannot_be_used_is_named(damage, tmp_path):
    settings, model, x = tiny(epochs=1)
    path = tmp_path / "model.checkpoint"
    fit(model, x[:6], x[6:], settings, [Checkpoint(path)])
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-900])
    elif damage == "of other settings":
        settings = replace(settings, learning_rate=0.5)
    else:
        torch.save({"model": model.state_dict()}, path)
    with pytest.raises(CourseError, match=r"model\.checkpoint' is no checkpoint of this training"):
        fit(model, x[:6], x[6:], settings, [Checkpoint(path)])


def test_writing_checkpoints_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    settings, model, x = tiny(epochs=6, patience=6)
    now, written = [0.0], []
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])

    def slow(parts, file):
        written.append(len(parts["history"]))
        now[0] += 1  # second to write
        file.write(b"x")

    def epoch(*args):
        now[0] += 7  # seconds an epoch
        return 0.5

    monkeypatch.setattr(checkpoints.torch, "save", slow)
    monkeypatch.setattr(training, "train_epoch", epoch)
    fit(model, x[:6], x[6:], settings, [Checkpoint(tmp_path / "state.checkpoint")])
    assert written == [1, 4]  # the next one 20 seconds after the first


def test_a_process_that_only_reads_a_checkpoint_writes_none(tmp_path):
    settings, model, x = tiny(epochs=1)
    fit(model, x[:6], x[6:], settings, [Checkpoint(tmp_path / "a.checkpoint", writes=False)])
    assert list(tmp_path.iterdir()) == []


def test_snapshots_are_kept_of_the_watched_images_close_together_at_first(monkeypatch):
    monkeypatch.setattr(training, "train_epoch", lambda *args: 0.5)
    settings, model, x = tiny(epochs=6, patience=9)
    result = fit(model, x[:6], x[6:], settings, [Snapshots(x[:2])])
    assert sorted(result.snapshots) == [1, 2, 3, 5]
    for pixels in result.snapshots.values():
        assert pixels.shape == (2, SIZE, SIZE) and pixels.dtype == "uint8"
    assert fit(model, x[:6], x[6:], replace(settings, epochs=1)).snapshots == {}


def test_snapshots_show_what_the_network_draws_then():
    settings, model, x = tiny(epochs=2)
    result = fit(model, x[:6], x[6:], settings, [Snapshots(x[:2])])
    assert not (result.snapshots[1] == result.snapshots[2]).all()
    assert result.best_epoch == 2  # so that the network is the one that was drawn with last
    drawn = training.to_uint8(training.reconstruct(model, x[:2]))
    assert (result.snapshots[2] == drawn).all()


def test_the_bar_counts_the_images_of_all_processes_and_tells_the_losses(capsys):
    settings, model, x = tiny(epochs=1)
    fit(model, x[:6], x[6:], settings, [Progress()])
    assert "6/6" in capsys.readouterr().out
    bar = Progress(processes=3)
    fit(model, x[:6], x[6:], settings, [bar])
    assert bar.bar.n == 18
    assert "epoch 1, loss 0." in capsys.readouterr().out
