"""What `python tests/bench.py` measures, on a small scale: a fair race and real figures."""

import json

import bench
import psutil
import pytest
import torch
from torch import nn

from course_ae.settings import make_settings
from course_ae.training import build_model


@pytest.fixture
def small(small_data, monkeypatch):
    """A small network, few images, and no other processes."""
    monkeypatch.setattr(bench, "_alone", lambda part: part())
    monkeypatch.setattr(bench, "draw_samples", lambda category: small_data)
    monkeypatch.setattr(
        bench, "make_settings",
        lambda profile, **changes: make_settings(profile, width=0.1, bottleneck=16, **changes),
    )  # fmt: skip
    small = {"IMAGES": 8, "VAL": 3, "SPEED_EPOCHS": 1, "STEPS": 2, "MAPS": 4, "MAP_SIZE": 60}
    for name, value in small.items():
        monkeypatch.setattr(bench, name, value)


def test_json_and_table_hold_what_was_measured(small, capsys, monkeypatch):
    assert bench.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    t = found["training"]
    assert t["ratio"] == pytest.approx(t["images_per_second"] / t["plain_images_per_second"])
    assert t["images"] == 24 and len(t["losses"]) == len(t["plain_losses"]) == 14
    assert found["start"]["images"] == 30
    assert 0 < found["start"]["second_seconds"] < found["start"]["first_seconds"]
    assert found["scoring"]["images_per_second"] > 0 and found["au_pro"]["maps"] == 4
    assert 0.1 < found["memory"]["training_peak_gb"] < 20
    quick = found["profiles"]["quick"]
    images = (209 - 21) * make_settings("quick").epochs
    assert quick["seconds_at_most"] == pytest.approx(images / quick["images_per_second"])
    assert set(found["profiles"]) == {"quick", "slides", "best"}

    table = bench.table(found)
    assert f"{t['ratio']:.1f}" in table[1] and len({len(row) for row in table}) == 1


def test_both_loops_learn_the_same_from_the_same_weights_and_images(small):
    t = bench.training()
    ours, plain = t["losses"], t["plain_losses"]
    assert ours[:5] == pytest.approx(plain[:5], rel=1e-3)
    assert ours == pytest.approx(plain, rel=0.1)  # by then roundings have added up


def test_the_plain_twin_is_torch_alone(small):
    settings = make_settings("slides", width=0.1, bottleneck=16)
    ours = build_model(settings, torch.device("cpu"))
    plain = bench._plain_twin(ours, settings)
    layers = {type(layer) for layer in plain.modules()}
    assert nn.ConvTranspose2d in layers and bench.FastConvTranspose2d not in layers
    assert bench.FastConvTranspose2d in {type(layer) for layer in ours.modules()}
    x = torch.rand(2, 1, 227, 227)
    ours.eval(), plain.eval()
    assert torch.allclose(ours(x), plain(x), atol=1e-5)


def test_a_file_is_decoded_with_its_flips(small, small_data):
    paths = sorted((small_data / "bottle/train/good").iterdir())[:2]
    files = bench.FlippedFiles(paths)
    assert len(files) == 6
    assert torch.equal(files[3], files[1].flip(-1)) and torch.equal(files[4], files[0].flip(-2))


def test_memory_is_counted_in_gigabytes():
    block = torch.ones(50_000_000)
    assert psutil.Process().memory_info().rss / 1e9 <= bench.peak_memory() * 1.01 < 50
    del block
