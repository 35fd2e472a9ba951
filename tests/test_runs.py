"""The run folder and the stages of a run, on a few small images and a tiny network."""

import json
import shutil
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_ae import evaluation, pipeline, runs
from course_ae.config import CourseError, make_settings
from course_ae.files import replace_file, write_json, write_text
from course_ae.metrics import auroc, f_normal_splits
from course_ae.model import count_parameters
from course_ae.runs import open_run, read_csv, read_json, read_summary, start, update_summary
from course_ae.thresholds import confusion, f1_defect, f_normal, search_threshold

TINY = {"width": 0.05, "bottleneck": 8, "epochs": 2, "batch_size": 2, "learning_rate": 0.002,
        "anneal": False}  # fmt: skip
KINDS = ("l2", "ssim")
FILES = {"settings.json", "summary.json", "history.csv", "snapshots.npz", "model.pt", "scores.csv"}


@pytest.fixture(scope="module")
def finished(small_data, tmp_path_factory):
    """A whole run: its folder, what each stage returned, and the files there after each."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    files = {}

    def note(stage):
        files[stage] = {path.name for path in folder.glob("[!.]*")}

    run = open_run(data=str(small_data), run=str(folder), **TINY)
    note("open_run")
    images = pipeline.prepare(run)
    note("prepare")
    model = pipeline.trained(run, images)
    note("trained")
    scores = pipeline.scored(run, images, model)
    note("scored")
    summary = evaluation.evaluate(run, images, scores)
    note("evaluate")
    return SimpleNamespace(
        run=run, folder=folder, images=images, model=model, scores=scores, summary=summary,
        files=files,
    )  # fmt: skip


@pytest.fixture
def copied(finished, small_data, tmp_path):
    """The finished run in a folder that a test may change, opened anew."""
    folder = shutil.copytree(finished.folder, tmp_path / "copied")
    return open_run(data=str(small_data), run=str(folder), **TINY)


def no_training(*args, **kwargs):
    raise AssertionError("trained although a model is there")


def test_each_stage_leaves_its_files_and_no_others(finished):
    made = finished.files
    assert made["open_run"] == {"settings.json"}
    assert made["prepare"] - made["open_run"] == {"summary.json"}
    assert made["trained"] - made["prepare"] == {"model.pt", "history.csv", "snapshots.npz"}
    assert made["scored"] - made["trained"] == {"scores.csv"}
    assert made["evaluate"] == FILES


def test_settings_file_says_what_was_run_with_what(finished):
    content = read_json(finished.folder / "settings.json")
    assert content["settings"] == asdict(make_settings("quick", **TINY))
    assert len(content["data_fingerprint"]) == 32
    assert content["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert content["versions"]["numpy"] == np.__version__
    assert content["device"] in ("cpu", "cuda", "mps")


def test_images_are_split_and_then_flipped(finished):
    images, s = finished.images, finished.run.settings
    assert len(finished.run.train) == len(images.good) == 12
    held_out = round(12 * s.validation_fraction)
    assert len(images.validation) == 3 * held_out
    assert len(images.train) == 3 * (12 - held_out)
    assert len(images.test) == len(finished.run.test) == 18
    assert len(images.held_out) == held_out and len(images.known) == 12 - held_out
    torch.testing.assert_close(images.mean, images.known.sum(dim=0, keepdim=True) / 11)


def test_no_validation_image_nor_its_flip_is_trained_on(finished):
    def pixels(x):
        return {image.numpy().tobytes() for image in x}

    train, validation = pixels(finished.images.train), pixels(finished.images.validation)
    assert len(train) == 33 and len(validation) == 3  # no two of them alike
    assert not train & validation
    good = pixels(finished.images.good)
    assert len(good & train) == 11 and len(good & validation) == 1


def test_summary_has_every_figure_of_the_run(finished):
    summary = finished.summary
    assert summary == read_summary(finished.run)  # what is returned is what is written
    assert summary["category"] == "bottle" and summary["profile"] == "quick"
    assert summary["settings"] == asdict(finished.run.settings)
    assert summary["counts"] == {
        "train": 12,
        "train_augmented": 36,
        "test_good": 6,
        "test_defective": 12,
    }
    assert summary["parameters"] == count_parameters(finished.model)
    assert set(summary["training"]) >= {
        "epochs", "best_epoch", "train_loss", "val_loss", "seconds", "images_per_second",
        "output_std_over_images", "mean_image_loss",
    }  # fmt: skip
    assert set(summary["scores"]) == set(KINDS)
    for kind in KINDS:
        figures = summary["scores"][kind]
        assert set(figures) == {
            "threshold", "validation", "test", "f_normal", "f1_defect", "auroc", "f_normal_splits",
        }  # fmt: skip
        assert set(figures["validation"]) == set(figures["test"]) == {"tn", "fp", "fn", "tp"}
        assert set(figures["f_normal_splits"]) == {"mean", "p05", "p95"}
    assert len(summary["baselines"]) >= 2
    assert all({"auroc", "f_normal"} <= set(b) for b in summary["baselines"].values())


def test_training_figures_are_those_of_the_history(finished):
    training, history = finished.summary["training"], pipeline.read_history(finished.run)
    assert [row["epoch"] for row in history] == [1, 2]
    assert training["epochs"] == 2
    best = min(history, key=lambda row: row["val_loss"])
    assert training["best_epoch"] == best["epoch"]
    assert training["val_loss"] == best["val_loss"]
    assert training["train_loss"] == best["train_loss"]
    assert training["seconds"] == pytest.approx(sum(row["seconds"] for row in history))
    assert training["images_per_second"] == pytest.approx(2 * 33 / training["seconds"])


def test_kept_model_is_the_one_of_the_best_epoch(finished):
    validation = finished.images.validation
    x_hat = pipeline.reconstruct(finished.model, validation)
    found = pipeline.evaluate_loss(x_hat, validation, "ssim")
    assert found == pytest.approx(finished.summary["training"]["val_loss"], rel=1e-3)


def test_mean_image_and_spread_over_images_are_recomputed(finished):
    training, images = finished.summary["training"], finished.images
    mean = images.train.mean(dim=0, keepdim=True).expand_as(images.validation)
    expected = pipeline.evaluate_loss(mean, images.validation, "ssim")
    assert training["mean_image_loss"] == pytest.approx(expected)
    x_hat = pipeline.reconstruct(finished.model, images.good).numpy()
    assert training["output_std_over_images"] == pytest.approx(x_hat.std(axis=0).mean(), rel=1e-3)
    assert training["output_std_over_images"] > 1e-4  # so that the line above compares something
    spread = images.good.numpy().std(axis=0).mean()
    assert training["input_std_over_images"] == pytest.approx(spread, rel=1e-3)


def test_snapshots_show_five_images_after_each_early_epoch(finished):
    snapshots = pipeline.read_snapshots(finished.run)
    assert sorted(snapshots) == [1, 2]
    assert all(pixels.shape == (5, 227, 227) for pixels in snapshots.values())


def test_scores_file_has_a_row_for_each_test_image(finished):
    rows = read_csv(finished.folder / "scores.csv")
    assert list(rows[0]) == ["path", "defect", "label", "split", "l2", "ssim"]
    assert [row["path"] for row in rows] == [sample.name for sample in finished.run.test]
    assert len(rows) == 18
    for row in rows:
        assert row["defect"] == row["path"].split("/")[1]
        assert row["label"] == str(int(row["defect"] != "good"))
    splits = [row["split"] for row in rows]
    assert splits.count("validation") == pytest.approx(0.3 * 18, abs=1)
    assert splits.count("validation") + splits.count("test") == 18


@pytest.mark.parametrize("kind", KINDS)
def test_summary_is_recomputed_from_the_scores_file(finished, kind):
    rows = read_csv(finished.folder / "scores.csv")
    scores = np.array([float(row[kind]) for row in rows])
    labels = np.array([int(row["label"]) for row in rows])
    held_out = np.array([row["split"] == "validation" for row in rows])
    threshold = search_threshold(scores[held_out], labels[held_out])
    validation = confusion(scores[held_out], labels[held_out], threshold)
    test = confusion(scores[~held_out], labels[~held_out], threshold)
    splits = f_normal_splits(scores, labels, 0.3)
    assert finished.summary["scores"][kind] == {
        "threshold": threshold,
        "validation": validation._asdict(),
        "test": test._asdict(),
        "f_normal": f_normal(test),
        "f1_defect": f1_defect(test),
        "auroc": auroc(scores, labels),
        "f_normal_splits": {
            "mean": pytest.approx(splits.mean()),
            "p05": pytest.approx(np.quantile(splits, 0.05)),
            "p95": pytest.approx(np.quantile(splits, 0.95)),
        },
    }


def test_l2_scores_are_mean_squared_differences(finished):
    x = finished.images.test
    by_hand = ((x - pipeline.rebuild(finished.model, x)) ** 2).mean(dim=(1, 2, 3)).numpy()
    np.testing.assert_allclose(finished.scores.values["l2"], by_hand, rtol=1e-4)


def test_scores_are_handed_out_by_part(finished):
    scores = finished.scores
    for part in ("validation", "test"):
        values, labels = scores.part("ssim", part)
        assert np.array_equal(values, scores.values["ssim"][getattr(scores, part)])
        assert np.array_equal(labels, scores.labels[getattr(scores, part)])
    assert len(scores.part("l2", "test")[0]) + len(scores.part("l2", "validation")[0]) == 18


def test_baselines_need_no_network(finished):
    baselines, scores, images = finished.summary["baselines"], finished.scores, finished.images
    good = int((scores.labels[scores.test] == 0).sum())
    defective = int(scores.labels[scores.test].sum())
    assert baselines["all_normal"]["auroc"] == 0.5
    assert baselines["all_normal"]["f_normal"] == pytest.approx(2 * good / (2 * good + defective))
    values = ((images.test - images.mean) ** 2).mean(dim=(1, 2, 3)).numpy()
    assert baselines["mean_image_l2"]["auroc"] == pytest.approx(auroc(values, scores.labels))
    assert baselines["mean_image_ssim"]["auroc"] != baselines["mean_image_l2"]["auroc"] or (
        baselines["mean_image_ssim"]["threshold"] != baselines["mean_image_l2"]["threshold"]
    )


def test_a_model_that_is_there_is_used_and_gives_the_same_scores(finished, copied, monkeypatch):
    monkeypatch.setattr(pipeline, "fit", no_training)
    images = pipeline.prepare(copied)
    model = pipeline.trained(copied, images)
    scores = pipeline.scored(copied, images, model)
    for kind in KINDS:
        assert np.array_equal(scores.values[kind], finished.scores.values[kind])
    assert evaluation.evaluate(copied, images, scores) == finished.summary  # training's included
    assert {path.name for path in copied.folder.glob("[!.]*")} == FILES


def test_a_new_run_with_the_same_settings_gives_the_same_scores(finished, small_data, tmp_path):
    run = open_run(data=str(small_data), run=str(tmp_path / "again"), **TINY)
    images = pipeline.prepare(run)
    scores = pipeline.scored(run, images, pipeline.trained(run, images))
    for kind in KINDS:
        np.testing.assert_allclose(scores.values[kind], finished.scores.values[kind], rtol=1e-6)


@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: content[:1000], lambda content: b"no model"]
)
def test_a_damaged_model_is_named(copied, finished, damage):
    path = copied.folder / "model.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CourseError, match=r"model\.pt' is no model of this run; delete it"):
        pipeline.trained(copied, finished.images)


def test_a_model_of_another_network_is_refused(copied, finished):
    other = {"weights": torch.zeros(3)}
    torch.save(other, copied.folder / "model.pt")
    with pytest.raises(CourseError, match=r"model\.pt' is no model of this run"):
        pipeline.trained(copied, finished.images)


def test_other_settings_in_the_same_folder_are_refused_and_named(copied, small_data):
    before = {path.name: path.read_bytes() for path in copied.folder.glob("[!.]*")}
    with pytest.raises(CourseError, match="epochs 2 instead of 3; choose another run folder"):
        open_run(data=str(small_data), run=str(copied.folder), **{**TINY, "epochs": 3})
    assert {path.name: path.read_bytes() for path in copied.folder.glob("[!.]*")} == before


def test_changed_images_in_the_same_folder_are_refused(data_copy, tmp_path):
    folder = str(tmp_path / "run")
    open_run(data=str(data_copy), run=folder, **TINY)
    open_run(data=str(data_copy), run=folder, **TINY)  # nothing has changed yet
    images = sorted((data_copy / "bottle" / "train" / "good").iterdir())
    images[0].write_bytes(images[1].read_bytes())
    with pytest.raises(CourseError, match="other images"):
        open_run(data=str(data_copy), run=folder, **TINY)


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\xff"])
def test_a_damaged_settings_file_is_named(copied, small_data, content):
    (copied.folder / "settings.json").write_text(content, encoding="latin-1")
    with pytest.raises(CourseError, match=r"settings\.json' .*delete the run folder and repeat"):
        open_run(data=str(small_data), run=str(copied.folder), **TINY)


def test_a_folder_with_something_else_in_it_is_left_alone(small_data, tmp_path):
    (tmp_path / "holiday.jpg").write_text("beach")
    with pytest.raises(CourseError, match="is there already and is no run folder"):
        open_run(data=str(small_data), run=str(tmp_path), **TINY)
    with pytest.raises(CourseError, match="is there already and is no run folder"):
        open_run(data=str(small_data), run=str(tmp_path / "holiday.jpg"), **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_run_folder_below_a_file_is_refused(small_data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="file' is no folder that can be written"):
        open_run(data=str(small_data), run=str(tmp_path / "file" / "run"), **TINY)


def test_an_empty_folder_is_fine(small_data, tmp_path):
    assert open_run(data=str(small_data), run=str(tmp_path), **TINY).folder == tmp_path


def test_wrong_settings_and_data_leave_no_folder(small_data, tmp_path):
    folder = tmp_path / "run"
    for wrong in ({"epoch": 3}, {"profile": "slow"}, {"epochs": 0}, {"data": "/nowhere"}):
        with pytest.raises(CourseError):
            open_run(**{"data": str(small_data), "run": str(folder), **wrong})
    assert not folder.exists()


def test_data_that_is_itself_a_category_gives_its_name_to_the_run(small_data, tmp_path):
    folder = shutil.copytree(small_data / "bottle", tmp_path / "jar")
    run = open_run(data=str(folder), run=str(tmp_path / "run"), **TINY)
    assert run.settings.category == "jar"
    assert len(run.samples) == 30 and not run.drawn


def test_default_folder_is_named_after_data_profile_and_what_differs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_AE_RUNS", str(tmp_path))
    usual = make_settings("quick")
    assert runs.default_folder(usual, drawn=True) == tmp_path / "sample-bottles-quick"
    assert runs.default_folder(usual, drawn=False) == tmp_path / "bottle-quick"
    special = make_settings("slides", category="pill", seed=3, loss="l2")
    assert runs.default_folder(special, drawn=False).name == "pill-slides-seed-3-loss-l2"
    monkeypatch.delenv("COURSE_AE_RUNS")
    monkeypatch.chdir(tmp_path)
    folder = runs.default_folder(usual, drawn=True)
    assert folder.parent.name == "runs"
    assert folder.parent != tmp_path / "runs"  # in a checkout always at the same place


def test_built_in_data_is_drawn_into_the_cache_and_only_bottles(small_data, monkeypatch):
    monkeypatch.setattr(runs, "write_sample_bottles", lambda root: small_data)
    run = runs.find_run(**TINY)
    assert run.drawn and run.root == small_data and len(run.samples) == 30
    with pytest.raises(CourseError, match="built-in data has no category 'cable', only 'bottle'"):
        runs.find_run(category="cable")


def test_a_cache_that_cannot_be_written_is_named(monkeypatch):
    def full_disk(root):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_sample_bottles", full_disk)
    with pytest.raises(CourseError, match=r"No space left on device; set .*COURSE_AE_CACHE"):
        open_run()


def parameters(small_data, folder, **others):
    """A notebook's namespace after its parameters cell and its imports."""
    given = {"data": str(small_data), "run": str(folder), "seed": None, **TINY, **others}
    return {"__name__": "__main__", "_i1": "text", "np": np, "In": [""], "make": print, **given}


def test_start_opens_the_run_of_the_parameters_and_prints_the_facts(small_data, tmp_path, capsys):
    run = start(parameters(small_data, tmp_path / "my-run", seed=5))
    assert run.folder == tmp_path / "my-run"
    assert run.settings == make_settings("quick", seed=5, **TINY)
    printed = capsys.readouterr().out
    assert "12 good to train, 6 good to test, 12 defective" in printed
    assert "profile: quick, run folder: my-run" in printed
    assert str(tmp_path) not in printed  # no absolute path in a committed notebook


def test_start_refuses_an_unknown_parameter_in_a_fresh_notebook(small_data, tmp_path):
    namespace = parameters(small_data, tmp_path / "run", epoch=3)
    with pytest.raises(CourseError, match="no parameter 'epoch'; did you mean 'epochs'"):
        start(namespace)
    assert not (tmp_path / "run").exists()


def test_start_lets_a_lessons_own_variables_pass_when_its_cell_runs_again(small_data, tmp_path):
    namespace = parameters(small_data, tmp_path / "run")
    first = start(namespace)
    namespace["threshold"] = 0.3  # a later cell's variable
    assert start(namespace).folder == first.folder


def test_start_checks_the_parameters_values(small_data, tmp_path):
    with pytest.raises(CourseError, match="'epochs' must be a whole number"):
        start(parameters(small_data, tmp_path / "run", epochs="many"))


@pytest.mark.parametrize("name", ["data", "category", "profile", "run"])
@pytest.mark.parametrize("value", [5, None])
def test_start_wants_places_as_text(small_data, tmp_path, name, value):
    with pytest.raises(CourseError, match=f"'{name}' must be text in quotes, not {value}"):
        start(parameters(small_data, tmp_path / "run", **{name: value}))


def test_what_a_killed_start_left_behind_does_not_block_the_folder(small_data, tmp_path):
    (tmp_path / ".123-settings.json").write_text("{")
    assert open_run(data=str(small_data), run=str(tmp_path), **TINY).folder == tmp_path


def test_summary_grows_and_keeps_what_is_there(small_data, tmp_path):
    run = open_run(data=str(small_data), run=str(tmp_path / "run"), **TINY)
    assert read_summary(run) == {}
    update_summary(run, first=1)
    found = update_summary(run, second={"a": 0.5})
    assert found["first"] == 1 and found["second"] == {"a": 0.5}
    assert json.loads((run.folder / "summary.json").read_text()) == found
    assert update_summary(run, first=2)["first"] == 2


def test_a_missing_file_of_the_run_tells_what_to_do(tmp_path):
    with pytest.raises(CourseError, match="is missing; run the lessons before this one"):
        read_json(tmp_path / "summary.json")


def test_csv_survives_writing_and_reading(tmp_path):
    rows = [{"name": 'a, "b"', "value": 0.1}, {"name": "è", "value": 1e-30}]
    runs.write_csv(tmp_path / "table.csv", rows)
    found = read_csv(tmp_path / "table.csv")
    assert found == [{"name": 'a, "b"', "value": "0.1"}, {"name": "è", "value": "1e-30"}]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_while_writing_leaves_the_old_file_and_no_temporary_one(tmp_path, error):
    path = tmp_path / "figures.json"
    path.write_text("old")
    expected = CourseError if error is OSError else error
    with pytest.raises(expected), replace_file(path) as part:
        part.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_appears_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "text.txt"
    with replace_file(path) as part:
        part.write_text("all")
        assert not path.exists()
        assert part.parent == path.parent  # the same disk, so that moving it is one step
    assert path.read_text() == "all"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match=r"a\.txt' cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CourseError, match="folder' cannot be written"):
        write_text(tmp_path / "folder", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_number_is_refused_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "summary.json"
    write_json(path, {"auroc": 0.5, "name": "è"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"auroc": value})
    assert read_json(path) == {"auroc": 0.5, "name": "è"}
    assert "è" in path.read_text(encoding="utf-8")


def test_images_that_cannot_be_used_are_found_before_the_run(data_copy, tmp_path):
    run = open_run(data=str(data_copy), run=str(tmp_path / "run"), **TINY)
    pipeline.require_readable(run)
    next(iter((data_copy / "bottle" / "ground_truth").glob("*/*.png"))).write_bytes(b"no mask")
    with pytest.raises(CourseError, match=r"_mask\.png' cannot be read as an image"):
        pipeline.require_readable(run)
