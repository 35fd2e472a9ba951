"""A sweep on two worker processes, one of which is killed on the way."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from course_ae.command.cli import main
from course_ae.experiment import run_folder
from course_ae.experiment.evaluation import evaluate_all

sweep = pytest.importorskip("course_ae.scale.sweep")
from dask.distributed import Client, LocalCluster  # noqa: E402

SETTINGS = {"width": 0.05, "bottleneck": 8, "epochs": 8, "patience": 8, "val_fraction": 0.2}
PAIRS = [word for name, value in SETTINGS.items() for word in ("-p", name, str(value))]


@pytest.fixture(scope="module")
def three(small_data, tmp_path_factory):
    """Three categories; the third has no readable training image."""
    root = tmp_path_factory.mktemp("three")
    for name in ("bottle", "flask", "vase"):
        shutil.copytree(small_data / "bottle", root / name)
    for path in (root / "vase/train/good").iterdir():
        path.write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def cluster():
    local = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )
    with local, Client(local) as client:
        yield client, local.scheduler_address


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def one_thread():
    """Dask gives each of its workers one; more of them add up in another order, and round so."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_killed_worker_costs_nothing_and_a_failure_stops_nothing(
    three, cluster, one_thread, tmp_path
):
    client, address = cluster
    out = tmp_path / "sweep"
    words = [
        sys.executable, "-m", "course_ae", "sweep", "--data", str(three), "--out", str(out),
        "--categories", "bottle, flask,vase", "--losses", "ssim,l2", "--seeds", "0",
        "--scheduler", address, *PAIRS,
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(out.glob("*/model.checkpoint")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors  # since two trainings failed
    rows = {(row["category"], row["loss"]): row for row in read(out / "sweep.csv")}
    assert len(rows) == 6 and said.count("FAILED") == 2
    for loss in ("ssim", "l2"):
        assert "no image" in rows["vase", loss]["error"] or "read" in rows["vase", loss]["error"]
        assert rows["vase", loss]["status"] == "failed"
        for category in ("bottle", "flask"):
            row = rows[category, loss]
            run = run_folder.open_run(
                data=str(three), category=category, run=str(tmp_path / category / loss),
                **SETTINGS, loss=loss,
            )  # fmt: skip
            alone = sweep.row(
                {"category": category, "loss": loss, "seed": 0, "run": row["run"]},
                evaluate_all(run, second=False),
            )
            assert row["status"] == "done"
            for name in ("val_loss", "auroc_l2", "auroc_ssim", "f_l2", "au_pro_ssim"):
                assert float(row[name]) == pytest.approx(alone[name], rel=1e-6), name
    page = (out / "sweep.html").read_text(encoding="utf-8")
    assert "flask" in page and "FAILED" in page and "data:image/png" in page

    before = {path: path.stat().st_mtime_ns for path in out.glob("*/model.pt")}
    again = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert again.returncode == 1
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/model.pt")} == before
    assert read(out / "sweep.csv") == list(rows.values())


def test_workers_on_this_machine(small_data, tmp_path, capsys):
    arguments = ["--data", str(small_data), "--out", str(tmp_path), "--seeds", "0-1"]
    assert main(["sweep", *arguments, "--losses", "l2", *PAIRS, "-p", "epochs", "1"]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2: bottle, l2, seed" in shown and "Report: " in shown
    assert [row["seed"] for row in read(tmp_path / "sweep.csv")] == ["0", "1"]


def test_a_scheduler_that_does_not_answer_is_one_sentence(small_data, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["sweep", "--data", str(small_data), "--out", str(out)]
    assert main([*words, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    shown = capsys.readouterr()
    assert "No Dask scheduler answers at" in shown.err
    assert shown.err.count("\n") == 1 and not out.exists()
