"""Recorded runs: numbers only, small, and made from a finished run by one command."""

import json
import re

import numpy as np
import pytest
import record
from tiny_run import TINY

from course_ae import metrics
from course_ae.classroom import figures
from course_ae.experiment import recorded, stages
from course_ae.experiment.evaluation import read_rows
from course_ae.settings import PROFILES
from course_ae.support.errors import CourseError

FILES = sorted(recorded.FOLDER.glob("*.json"))
LIMIT = 40_000  # bytes of one file
LIST = 200  # rows, at most, of a table of epochs or of test images


@pytest.fixture
def tiny_profile(monkeypatch):
    """The settings of the tiny run as a profile's own."""
    monkeypatch.setitem(PROFILES, "quick", {**PROFILES["quick"], **TINY})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty folder in place of the package's."""
    monkeypatch.setattr(recorded, "FOLDER", tmp_path / "recorded_runs")
    recorded.FOLDER.mkdir()
    return recorded.FOLDER


@pytest.fixture
def tiny(tiny_profile, package, finished):
    """The tiny run, recorded."""
    record.record(finished.folder)
    (run,) = recorded.runs("bottle", "quick")
    return run


def leaves(content):
    """Every value that is neither a table nor a list."""
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from leaves(value)
    else:
        yield content


def lists(content):
    """Every list in it."""
    if isinstance(content, list):
        yield content
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from lists(value)


def test_recorded_runs_come_with_the_package():
    assert len(FILES) >= 4
    others = {path.name for path in recorded.FOLDER.iterdir() if path not in FILES}
    assert others == {f"{of}trials.csv" for of in ("", "plain_", "denoiser_", "gradient_")}


def test_denoiser_trials_hold_numbers_and_one_that_was_kept():
    rows = recorded.denoiser_trials()
    assert [row["kept"] for row in rows].count("yes") == 1
    for row in rows:
        for name in ("AUROC", "AU-PRO", "loss of repaired images"):
            assert 0 < float(row[name]) < 1


def test_the_trial_of_the_present_recipe_is_a_recorded_run():
    path = recorded.FOLDER / "transistor-best-ssim_l1-0.json"
    found = json.loads(path.read_text(encoding="utf-8"))["scores"]["normalised"]
    row = recorded.trial_now("transistor")
    assert row["transistor, AUROC"] == f"{found['auroc']['value']:.3f}"
    assert row["transistor, AU-PRO"] == f"{found['pixel']['au_pro']:.3f}"
    assert recorded.trial_now("no such category") == {}


def test_plain_trials_are_recorded_runs_and_then_what_the_file_holds():
    rows = recorded.plain_trials()
    assert {tuple(row) for row in rows} == {("recipe", *recorded.TRIED)}
    made = [run for name in ("slides", "quick") for run in recorded.runs("bottle", name)
            if run["settings"]["loss"] == "ssim"]  # fmt: skip
    for row, run in zip(rows, made, strict=False):
        assert row["validation"] == run["training"]["val_loss"]
        assert row["pca"] == run["training"]["pca_loss"]
    by_memory = [row["validation"] for row in rows if row["recipe"].startswith("PCA")]
    assert by_memory == sorted(by_memory, reverse=True) and len(by_memory) == 4


def test_gradient_trials_hold_trainings_with_and_without_cutting_and_two_opponents():
    rows = recorded.gradient_trials()
    cut = [row["validation"] for row in rows if row["cut_to"]]
    others = [row["validation"] for row in rows if row["cut_to"] == 0]
    assert cut and others and max(cut) < min(others)
    assert [row["recipe"] for row in rows if row["cut_to"] is None] == [
        "mean image", "PCA with 100 numbers",
    ]  # fmt: skip
    assert all(0 <= (row["nearest_own"] or 0) <= 1 for row in rows)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_is_small_and_holds_numbers_without_paths_and_pixels(path):
    text = path.read_text(encoding="utf-8")
    run = json.loads(text)
    assert len(text) < LIMIT and text == record.layout(run) + "\n"
    assert record.rounded(run) == run
    drawn = run.get("made_with", {}).get("drawn", False)
    assert record.place_of(run["settings"], drawn) == path
    record.check_settings(run["settings"])
    assert {"settings", "counts", "training", "scores", "baselines"} <= set(run)
    assert read_rows(path)[1]
    words = [value for value in leaves(run) if isinstance(value, str)]
    assert all(len(word) < 200 and "\\" not in word for word in words)
    assert not [word for word in words if re.match(r"/|~|[A-Za-z]:", word)]
    for rows in lists(run):
        assert len(rows) <= LIST and all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_file_says_twice_it_says_alike(path):
    run = json.loads(path.read_text(encoding="utf-8"))
    training, history = run["training"], run.get("history")
    if history:
        assert [row["epoch"] for row in history] == list(range(1, training["epochs"] + 1))
        best = min(history, key=lambda row: row["val_loss"])
        assert best["val_loss"] == training["val_loss"]
        assert history[training["best_epoch"] - 1]["val_loss"] == best["val_loss"]
    images = run.get("image_scores", [])
    labels = np.array([row["label"] for row in images])
    if len(labels):
        assert labels.sum() == run["counts"]["test_defective"]
        for name, found in run["scores"].items():
            values = np.array([row[name] for row in images])
            auroc = metrics.auroc(values, labels)
            assert auroc == pytest.approx(found["auroc"]["value"], abs=0.002)


def test_a_finished_run_comes_back_as_its_numbers(tiny, finished):
    summary = finished.summary
    assert tiny["scores"].keys() == summary["scores"].keys()
    for part in ("settings", "counts", "training", "scores", "baselines"):
        assert tiny[part] == record.rounded(summary[part])
    history = stages.read_history(finished.run)
    assert tiny["history"] == [pytest.approx(row, rel=1e-5) for row in history]
    assert [row["path"] for row in tiny["image_scores"]] == finished.scores.names
    found = [row["l2"] for row in tiny["image_scores"]]
    assert found == pytest.approx(list(finished.scores.values["l2"]), rel=1e-5)
    assert not tiny["made_with"]["drawn"] and "torch" in tiny["made_with"]["versions"]
    assert str(finished.folder) not in json.dumps(tiny)


def test_a_row_of_a_table_is_a_line():
    rows = [{"epoch": i, "val_loss": 0.25} for i in range(20)]
    lines = record.layout({"settings": {"seed": 0}, "history": rows}).splitlines()
    assert lines[1] == ' "settings": {"seed": 0},'
    assert lines[3] == '  {"epoch": 0, "val_loss": 0.25},' and len(lines) == 25


@pytest.mark.parametrize("name", ["model.pt", "history.csv", "scores.csv", "summary.json"])
def test_an_unfinished_run_is_refused_in_one_sentence(name, package, run_copy, capsys):
    (run_copy.folder / name).unlink()
    assert record.main([str(run_copy.folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert name in printed.err and "not finished" in printed.err


def test_so_is_a_run_without_figures_or_with_settings_of_its_own(package, run_copy, tmp_path):
    with pytest.raises(CourseError, match=r"own settings are recorded, not width 0\.05, "):
        record.record(run_copy.folder)
    (run_copy.folder / "summary.json").write_text('{"training": {}}', encoding="utf-8")
    with pytest.raises(CourseError, match="not finished, scores, baselines is missing"):
        record.record(run_copy.folder)
    with pytest.raises(CourseError, match="missing"):
        record.record(tmp_path)


def test_runs_are_made_without_a_denoiser_and_only_once(
    tiny_profile, package, small_data, monkeypatch, capsys
):
    monkeypatch.setenv("COURSE_AE_RUNS", str(package / "runs"))
    command = ["--train", str(small_data), "--profile", "quick", "--loss", "l2", "--seeds", "1"]
    assert record.main(command) == 0
    assert [path.name for path in package.glob("*.json")] == ["bottle-quick-l2-1.json"]
    (run,) = recorded.runs("bottle", "quick")
    assert set(run["scores"]) == {"l2", "ssim"} and "denoiser_training" not in run
    (folder,) = (package / "runs").iterdir()
    assert record.main([str(folder)]) == 0  # a finished one, recorded again
    assert recorded.runs("bottle", "quick") == [run]
    monkeypatch.setattr(record.evaluation, "evaluate_all", lambda *_, **__: 1 / 0)
    capsys.readouterr()
    assert record.main(command) == 0
    assert capsys.readouterr().out == "bottle-quick-l2-1.json\n"


def test_curves_need_a_history_and_the_rest_does_not(tiny, finished):
    found = recorded.by_loss("bottle", "quick")
    assert found == {"ssim": [tiny]} == recorded.curves(found)
    figures.png(figures.recorded_curves(found))
    bare = {"ssim": [{name: part for name, part in tiny.items() if name != "history"}]}
    assert recorded.curves(bare) == {}
    caption, training = recorded.trainings_caption(bare), finished.summary["training"]
    assert caption == recorded.trainings_caption(found)
    assert f"of {TINY['epochs']} at most" in caption
    assert f"mean image {training['mean_image_loss']:.3g}" in caption
    assert recorded.by_loss("bottle", "no such") == {}
    assert "No training" in recorded.trainings_caption({})
    assert "No run" in recorded.scores_caption("bottle", "no such")


def test_runs_are_sorted_and_become_rows_and_a_table(tiny):
    for loss, seed, auroc in (("l2", 10, 0.5), ("l2", 2, 0.75)):
        scores = {**tiny["scores"]}
        scores["l2"] = {**scores["l2"], "auroc": {"value": auroc}}
        settings = {**tiny["settings"], "loss": loss, "seed": seed}
        content = {**tiny, "settings": settings, "scores": scores}
        place = record.place_of(settings, tiny["made_with"]["drawn"])
        place.write_text(record.layout(content), encoding="utf-8")
    rows = recorded.trainings("bottle", "quick")
    assert [(row["loss"], row["seed"]) for row in rows] == [("l2", 2), ("l2", 10), ("ssim", 0)]
    assert [row["auroc_l2"] for row in rows][:2] == [0.75, 0.5]
    training = tiny["training"]
    output, varied = (training[f"{name}_std_over_images"] for name in ("output", "input"))
    assert rows[0]["dependence"] == pytest.approx(output / varied if varied else 1.0)
    table = recorded.score_table("bottle", "quick")
    heads = [(row["trained with"], row["score"], row["runs"]) for row in table]
    assert heads[:4] == [("L2", "L2", 2), ("L2", "SSIM", 2), ("SSIM", "L2", 1), ("SSIM", "SSIM", 1)]
    assert ("no network", "mean image, L2", 3) in heads[4:]
    assert table[0]["AUROC"] == "0.625 (0.500 to 0.750)"
    more = recorded.score_table("bottle", "quick", normalised=True)
    assert {row["score"] for row in more} - {row["score"] for row in table} == {
        "normalised", "mean image, normalised", "PCA, normalised"
    }  # fmt: skip
    assert recorded.score_table("bottle", "no such") == []
    assert "2 runs trained with L2, 1 run trained with SSIM" in recorded.scores_caption(
        "bottle", "quick"
    )
    for live in ((), rows[1:]):
        figures.png(figures.two_by_two({"real, recorded": rows}, live))


def put(tiny, loss, seed, profile="quick"):
    """One more recorded run, with the numbers of another."""
    settings = {**tiny["settings"], "loss": loss, "seed": seed, "profile": profile}
    place = record.place_of(settings, tiny["made_with"]["drawn"])
    place.write_text(record.layout({**tiny, "settings": settings}), encoding="utf-8")


def test_the_profile_with_the_most_pairs_decides_unless_the_slides_own_has_two(tiny):
    assert recorded.both_ways("bottle", "quick") == []
    assert recorded.deciding_profile() == "slides"  # nobody has a pair
    put(tiny, "l2", 0)
    assert recorded.both_ways("bottle", "quick") == [0]
    assert recorded.deciding_profile() == "quick"
    put(tiny, "ssim_l1", 1)
    put(tiny, "l2", 1)
    assert recorded.both_ways("bottle", "quick") == [0]  # seed 1 lacks SSIM alone
    put(tiny, "ssim", 1)
    put(tiny, "ssim", 2)
    put(tiny, "l2", 2)
    for seed in (0, 1):
        assert recorded.deciding_profile() == "quick"
        put(tiny, "ssim", seed, "slides")
        put(tiny, "l2", seed, "slides")
    assert len(recorded.both_ways("bottle", "quick")) == 3
    assert recorded.deciding_profile() == "slides"


def test_a_recipe_is_told_in_words():
    assert recorded.recipe("slides") == (
        "the slides' full recipe (100% of AlexNet's width, a code of 2048 numbers, 150 epochs at "
        "most, with flipped copies)"
    )
    assert recorded.recipe("best").startswith("profile best (50% of AlexNet's width")


def test_the_ranges_of_the_splits_are_those_of_the_runs_and_can_be_drawn(tiny):
    put(tiny, "l2", 1)
    rows = recorded.split_ranges()
    assert [row["run"] for row in rows] == ["quick, L2, seed 1", "quick, SSIM, seed 0"]
    assert rows[1]["l2"] == tiny["scores"]["l2"]["f_normal_splits"]
    figures.png(figures.split_ranges([{**rows[0], "gap": None}, *rows], {"l2": 0.78, "ssim": 0.57}))


def test_scores_of_images_are_those_of_the_run_and_its_splits_have_a_gap():
    run = recorded.runs(profile="quick")[0]
    values, labels = recorded.image_scores(run)
    for one, name in zip(values.T, ("l2", "ssim"), strict=True):
        told = run["scores"][name]["auroc"]["value"]
        assert metrics.auroc(one, labels) == pytest.approx(told, abs=1e-5)
    paired, same = recorded.paired_scores(profile="quick")
    assert paired.shape == (len(labels), len(recorded.both_ways(profile="quick")), 2, 2)
    assert (same == labels).all()
    (gap,) = [row["gap"] for row in recorded.split_ranges() if row["run"] == "quick, L2, seed 0"]
    assert gap["p05"] < gap["mean"] < gap["p95"]
    figures.png(figures.lead_histogram(np.array([-0.1, 0.0, 0.2])))


def test_intervals_of_both_lucks_can_be_drawn():
    row = {"name": "a", "value": 0.5, "low": 0.4, "high": 0.7}
    groups = {"alone": [row, {**row, "luck": "training"}], "difference": [row]}
    figure = figures.intervals(groups, zero=["difference"])
    widths = [np.ptp(axes.get_xlim()) for axes in figure.axes]
    assert widths[0] == pytest.approx(widths[1])
    figures.png(figure)


def test_six_digits_are_kept_and_whole_numbers_stay_whole():
    assert record.rounded({"a": [0.123456789, 12345678.9, 7, "x", None, True]}) == {
        "a": [0.123457, 12345700.0, 7, "x", None, True]
    }
    assert [type(record.number(text)) for text in ("7", "7.0", "1e-05")] == [int, float, float]
