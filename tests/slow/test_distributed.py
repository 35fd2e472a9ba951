"""One training in two processes, which torchrun starts: it ends as one alone would have."""

import subprocess
import sys

import pytest
from processes import PAIRS, command, finish, losses

pytest.importorskip("course_ae.scale.distributed")

TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
]  # fmt: skip


def test_two_processes_train_as_one(small_data, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    finish(command("train", "--data", small_data, "--run", one, *PAIRS))
    words = [
        *TORCHRUN, "-m", "course_ae", "train", "--data", str(small_data),
        "--run-folder", str(two), *PAIRS,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("kept the weights") == 2  # of both networks, said by one process
    alone, shared = (float(losses(folder)[-1][2]) for folder in (one, two))
    assert abs(shared - alone) < 0.05 * alone
    assert len(losses(two)) == len(losses(one))


def test_a_run_with_one_network_is_trained_once_by_all(small_data, tmp_path):
    words = [
        *TORCHRUN, "-m", "course_ae", "train", "--data", str(small_data), "--profile", "best",
        "--run-folder", str(tmp_path / "run"), *PAIRS, "-p", "epochs", "1",
        "-p", "epoch_images", "0",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("kept the weights") == 1


def test_a_process_that_dies_ends_all_with_a_sentence(small_data, tmp_path):
    folder = tmp_path / "run"
    program = tmp_path / "dies.py"
    program.write_text(
        "import os, sys\n"
        "from course_ae import training\n"
        "from course_ae.command import cli\n"
        "if os.environ['RANK'] == '1':\n"
        "    training.TrainingState.add_epoch = lambda *args: os._exit(9)\n"
        "sys.exit(cli.main())\n"
    )
    words = [
        *TORCHRUN, str(program), "train", "--data", str(small_data), "--run-folder", str(folder),
        *PAIRS,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert not (folder / "model.pt").exists()
    # Unless torchrun was faster and ended the other process itself.
    lost = "Process 0 of 2 lost the others, one of which has ended" in done.stderr
    assert lost or "SIGTERM" in done.stderr, done.stderr[-2000:]
