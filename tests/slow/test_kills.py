"""A training may be killed at any moment: it goes on, and ends with the same numbers."""

import random
import signal
import sys
import time

import pytest
from processes import PAIRS, SETTINGS, command, finish, losses, weights
from small_network import same_weights

from course_ae.experiment import run_folder


@pytest.fixture(scope="module")
def whole(small_data, tmp_path_factory):
    """The run folder of a training that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    finish(command("train", "--data", small_data, "--run", folder, *PAIRS))
    return folder


def test_a_training_that_is_killed_again_and_again_ends_the_same(whole, small_data, tmp_path):
    folder, moments, kills = tmp_path / "run", random.Random(4), 0
    arguments = ["--data", small_data, "--run", folder, *PAIRS]
    while kills < 4:
        process = command("train", *arguments)
        arguments = ["--run", folder, "--resume"]
        wanted = moments.choice(["*.checkpoint", "*.checkpoint", "model.pt"])
        until = time.monotonic() + 60
        while not list(folder.glob(wanted)) and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1.5))
        process.kill()
        process.wait()
        if not (folder / "settings.json").is_file():
            arguments = ["--data", small_data, "--run", folder, *PAIRS]
        kills += 1
    said = finish(command("train", *arguments))
    assert "course_ae" in said
    assert losses(folder) == losses(whole)
    for name in ("model", "denoiser"):
        assert same_weights(weights(folder, name), weights(whole, name))
    left = {path.name for path in folder.iterdir()}
    assert left - {".command.lock", ".training.lock"} == {
        "settings.json", "summary.json", "history.csv", "snapshots.npz", "model.pt", "denoiser.pt"
    }  # fmt: skip


def test_the_lock_of_a_killed_process_is_gone(small_data, tmp_path):
    folder = tmp_path / "run"
    process = command("train", "--data", small_data, "--run", folder, *PAIRS)
    while not (folder / ".training.lock").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT if sys.platform == "win32" else signal.SIGKILL)
    process.wait()
    run = run_folder.open_run(data=str(small_data), run=str(folder), **SETTINGS)
    with run_folder.reserved(run, "training", patience=5), run_folder.reserved(run, "command"):
        pass
