"""A training may be killed at any moment: it goes on, and ends with the same numbers."""

import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from course_ae import batch, checkpoints, claims, distributed, pipeline, runs, training
from course_ae.cli import main
from course_ae.config import CourseError, make_settings
from course_ae.files import remove_leftovers
from course_ae.training import build_model, fit

SETTINGS = {"width": 0.05, "bottleneck": 8, "epochs": 6, "patience": 6, "validation_fraction": 0.2}
PAIRS = [word for name, value in SETTINGS.items() for word in ("-p", name, str(value))]
NO_SECONDS = slice(0, 3)  # epoch and both losses


def command(name, *arguments):
    """Starts `course-ae NAME` in a process of its own."""
    words = [sys.executable, "-m", "course_ae", name, *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def losses(folder):
    rows = runs.read_csv(Path(folder) / "history.csv")
    return [tuple(row.values())[NO_SECONDS] for row in rows]


def weights(folder, name="model"):
    return torch.load(Path(folder) / f"{name}.pt", weights_only=True)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


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
    for name in ("model", "repair"):
        assert same(weights(folder, name), weights(whole, name))
    left = {path.name for path in folder.iterdir()}
    assert left - {".command.lock", ".training.lock"} == {
        "settings.json", "summary.json", "history.csv", "snapshots.npz", "model.pt", "repair.pt"
    }  # fmt: skip


def tiny(**overrides):
    settings = make_settings(**{**SETTINGS, **overrides})
    x = torch.rand(12, 1, 227, 227, generator=torch.Generator().manual_seed(1))
    return settings, build_model(settings, torch.device("cpu")), x


class StoppedError(Exception):
    """Stands for a kill, between two epochs."""


@pytest.mark.parametrize("overrides", [{"repair": True, "anneal": True}, {"anneal": False}])
@pytest.mark.parametrize("stop_after", [1, 4, 6])
def test_a_checkpoint_brings_everything_back(overrides, stop_after, tmp_path, monkeypatch):
    settings, model, x = tiny(**overrides)
    whole = fit(model, x[:10], x[10:], settings, watch=x[:2])
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SHARE", 1e9)  # each epoch, however fast

    def save_and_stop(state, path):
        save(state, path)
        if len(state.result.history) == stop_after:
            raise StoppedError

    save = checkpoints.TrainingState.save
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.TrainingState, "save", save_and_stop)
        with pytest.raises(StoppedError):
            fit(
                tiny(**overrides)[1], x[:10], x[10:], settings, x[:2], tmp_path / "state.checkpoint"
            )
    other = tiny(**overrides)[1]
    torch.rand(7)  # the global generator is of no importance
    again = fit(other, x[:10], x[10:], settings, x[:2], tmp_path / "state.checkpoint")
    assert same(other.state_dict(), model.state_dict())
    assert again.best_epoch == whole.best_epoch
    without = [{k: v for k, v in row.items() if k != "seconds"} for row in again.history]
    assert without == [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history]
    assert again.snapshots.keys() == whole.snapshots.keys()
    assert all((again.snapshots[k] == whole.snapshots[k]).all() for k in whole.snapshots)


@pytest.mark.parametrize("damage", ["empty", "truncated", "of other settings", "of another kind"])
def test_a_checkpoint_that_cannot_be_used_is_named(damage, tmp_path):
    settings, model, x = tiny(epochs=1)
    path = tmp_path / "model.checkpoint"
    fit(model, x[:10], x[10:], settings, checkpoint=path)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-900])
    elif damage == "of other settings":
        settings = replace(settings, learning_rate=0.5)
    else:
        torch.save({"model": model.state_dict()}, path)
    with pytest.raises(CourseError, match=r"model\.checkpoint' is no checkpoint of this training"):
        fit(model, x[:10], x[10:], settings, checkpoint=path)


def test_writing_checkpoints_takes_a_small_share_of_the_time(tmp_path, monkeypatch):
    settings, model, x = tiny(epochs=6)
    now, written = [0.0], []
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])

    def slow(parts, file):
        written.append(len(parts["history"]))
        now[0] += 1  # second to write
        file.write(b"x")

    def epoch(*args):
        now[0] += 7  # seconds an epoch
        return 0.5

    monkeypatch.setattr(checkpoints.torch, "save", slow)
    monkeypatch.setattr(training, "train_epoch", epoch)
    fit(model, x[:10], x[10:], settings, checkpoint=tmp_path / "state.checkpoint")
    assert written == [1, 4]  # the next one 20 seconds after the first


def test_a_run_folder_in_use_is_refused(small_data, tmp_path, capsys):
    places = {"data": str(small_data), "run": str(tmp_path / "run")}
    run = runs.open_run(**places, **SETTINGS)
    arguments = ["--data", str(small_data), "--run", str(tmp_path / "run"), *PAIRS]
    with runs.reserved(run, "command"):
        assert main(["train", *arguments]) == 2
        said = capsys.readouterr().err
        assert "run' is in use by another command; wait for its end, or" in said
        assert said.count("\n") == 1
    with (
        runs.reserved(run, "training"),
        pytest.raises(CourseError, match="by another training"),
        runs.reserved(run, "training", patience=0.2),
    ):
        pass
    with runs.reserved(run, "training"), runs.reserved(run, "command"):
        pass  # a command trains


def test_the_lock_of_a_killed_process_is_gone(small_data, tmp_path):
    folder = tmp_path / "run"
    process = command("train", "--data", small_data, "--run", folder, *PAIRS)
    while not (folder / ".training.lock").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT if sys.platform == "win32" else signal.SIGKILL)
    process.wait()
    run = runs.open_run(data=str(small_data), run=str(folder), **SETTINGS)
    with runs.reserved(run, "training", patience=5), runs.reserved(run, "command"):
        pass


def test_resume_takes_data_and_settings_from_the_folder(whole, small_data, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    (folder / "model.pt").unlink()
    assert main(["train", "--run", str(folder), "--resume"]) == 0
    assert same(weights(folder), weights(whole))
    capsys.readouterr()
    assert main(["train", "--run", str(folder), "--resume", "-p", "seed", "1"]) == 2
    assert "seed 0 instead of 1" in capsys.readouterr().err
    assert main(["train", "--run", str(tmp_path / "none"), "--resume"]) == 2
    assert "There is no run in" in capsys.readouterr().err
    (folder / "settings.json").write_text('{"settings": 3}')
    assert main(["train", "--run", str(folder), "--resume"]) == 2
    assert "is not a run's file" in capsys.readouterr().err


def test_lessons_that_are_there_are_left_out(whole, small_data, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    executed = []

    def execute(path, folder, parameters, progress):
        executed.append(path.name[:2])
        if path.name.startswith("03") and len(executed) == 3:
            raise KeyboardInterrupt
        (folder / "notebooks").mkdir(exist_ok=True)
        (folder / "notebooks" / path.name).write_text("{}")

    monkeypatch.setattr(batch, "run_lesson", execute)
    monkeypatch.setattr("course_ae.report.write_report", lambda run: "report")
    arguments = ["run", "--data", str(small_data), "--run", str(folder), *PAIRS]
    assert main(arguments) == 130
    assert executed == ["01", "02", "03"]
    assert main(["run", "--run", str(folder), "--resume"]) == 0
    assert executed == ["01", "02", "03", "03", "04", "05", "06", "07"]
    assert "01 dataset exploration ... there already\n" in capsys.readouterr().out


def test_a_trial_of_lesson_06_that_is_done_is_not_repeated(small_data, tmp_path, monkeypatch):
    run = runs.open_run(data=str(small_data), run=str(tmp_path / "run"), **SETTINGS)
    images, tried = pipeline.prepare(run), []

    def trial(run, images, settings):
        tried.append((settings.loss, settings.seed))
        if len(tried) == 3:
            raise StoppedError
        return {"dependence": 1.0, "auroc_l2": 0.1 + 0.2, "auroc_ssim": 0.7}

    monkeypatch.setattr(claims, "_trial", trial)
    with pytest.raises(StoppedError):
        claims.two_by_two(run, images)
    rows = claims.two_by_two(run, images)
    assert tried == [("ssim", 0), ("ssim", 1), ("ssim", 2), ("ssim", 2),
                     ("l2", 0), ("l2", 1), ("l2", 2)]  # fmt: skip
    assert rows == claims.two_by_two(run, images) and len(tried) == 7
    seeds = [row["seed"] for row in runs.read_csv(run.folder / "two_by_two.csv")]
    assert seeds == ["0", "1", "2"] * 2  # as if it had never been stopped


def test_only_what_dead_processes_left_is_removed(tmp_path):
    import os

    mine, dead = tmp_path / f".{os.getpid()}-a.csv", tmp_path / "sub" / ".999999999-b.csv"
    dead.parent.mkdir()
    for path in (mine, dead, tmp_path / "c.csv", tmp_path / ".hidden"):
        path.write_text("")
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted(
        [mine.name, ".hidden", "c.csv", "sub"]
    )


def test_two_processes_train_as_one(whole, small_data, tmp_path):
    folder = tmp_path / "run"
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "course_ae", "train", "--data", str(small_data), "--run-folder", str(folder), *PAIRS,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("kept the weights") == 2  # of both networks, said by one process
    one, two = (float(losses(place)[-1][2]) for place in (whole, folder))
    assert abs(two - one) < 0.05 * one
    assert len(losses(folder)) == len(losses(whole))


def test_a_process_that_dies_ends_all_with_a_sentence(small_data, tmp_path):
    folder = tmp_path / "run"
    program = tmp_path / "dies.py"
    program.write_text(
        "import os, sys\n"
        "from course_ae import checkpoints, cli\n"
        "if os.environ['RANK'] == '1':\n"
        "    checkpoints.TrainingState.add_epoch = lambda *args: os._exit(9)\n"
        "sys.exit(cli.main())\n"
    )
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        str(program), "train", "--data", str(small_data), "--run-folder", str(folder), *PAIRS,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert not (folder / "model.pt").exists()
    # Unless torchrun was faster and ended the other process itself.
    lost = "Process 0 of 2 lost the others, one of which has ended" in done.stderr
    assert lost or "SIGTERM" in done.stderr


def test_too_small_batches_for_all_processes_are_refused(monkeypatch):
    settings, model, x = tiny(batch_size=4)
    monkeypatch.setattr(distributed, "size", lambda: 3)
    with pytest.raises(CourseError, match="3 processes need batches of at least 6 images"):
        fit(model, x[:10], x[10:], settings)
