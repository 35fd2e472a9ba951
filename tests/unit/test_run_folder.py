"""The run folder: whose it is, what is refused, and what a lesson's parameters open."""

import json
import shutil
import sys
import types

import numpy as np
import pytest
from tiny_run import TINY

from course_ae.datasets.samples import DRAWN, write_samples
from course_ae.experiment import run_folder
from course_ae.experiment.run_folder import (
    open_run,
    read_json,
    read_summary,
    recorded,
    start,
    update_summary,
)
from course_ae.settings import make_settings
from course_ae.support.errors import CourseError

FEW = {name: dict.fromkeys(drawing.COUNTS, 3) for name, drawing in DRAWN.items()}


def test_other_settings_in_the_same_folder_are_refused_and_named(run_copy, small_data):
    before = {path.name: path.read_bytes() for path in run_copy.folder.glob("[!.]*")}
    with pytest.raises(CourseError, match="epochs 2 instead of 3; choose another run folder"):
        open_run(data=str(small_data), run=str(run_copy.folder), **{**TINY, "epochs": 3})
    assert {path.name: path.read_bytes() for path in run_copy.folder.glob("[!.]*")} == before


def test_changed_images_in_the_same_folder_are_refused(data_copy, tmp_path):
    folder = str(tmp_path / "run")
    open_run(data=str(data_copy), run=folder, **TINY)
    open_run(data=str(data_copy), run=folder, **TINY)  # nothing has changed yet
    images = sorted((data_copy / "bottle" / "train" / "good").iterdir())
    images[0].write_bytes(images[1].read_bytes())
    with pytest.raises(CourseError, match="other images"):
        open_run(data=str(data_copy), run=folder, **TINY)


def test_a_run_of_a_version_with_fewer_settings_goes_on(run_copy, small_data):
    path = run_copy.folder / "settings.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    del before["settings"]["epoch_images"]
    path.write_text(json.dumps(before), encoding="utf-8")
    assert recorded(run_copy.folder)["profile"] == "quick"
    opened = open_run(data=str(small_data), run=str(run_copy.folder), **TINY)
    assert opened.settings.epoch_images == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "\xff"])
def test_a_damaged_settings_file_is_named(run_copy, small_data, content):
    (run_copy.folder / "settings.json").write_text(content, encoding="latin-1")
    with pytest.raises(CourseError, match=r"settings\.json' .*delete the run folder and repeat"):
        open_run(data=str(small_data), run=str(run_copy.folder), **TINY)


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
    assert run_folder.default_folder(usual, drawn=True) == tmp_path / "drawn-bottle-quick"
    assert run_folder.default_folder(usual, drawn=False) == tmp_path / "bottle-quick"
    special = make_settings("slides", category="pill", seed=3, loss="l2")
    assert run_folder.default_folder(special, drawn=False).name == "pill-slides-seed-3-loss-l2"
    monkeypatch.delenv("COURSE_AE_RUNS")
    monkeypatch.chdir(tmp_path)
    folder = run_folder.default_folder(usual, drawn=True)
    assert folder.parent.name == "runs"
    assert folder.parent != tmp_path / "runs"  # in a checkout always at the same place


def test_built_in_data_is_drawn_into_the_cache(small_data, monkeypatch):
    monkeypatch.setattr(run_folder, "write_samples", lambda root, category: small_data)
    run = run_folder.find_run(**TINY)
    assert run.drawn and run.root == small_data and len(run.samples) == 30


@pytest.mark.parametrize("category", ["bracket", "weave"])
def test_each_drawn_category_has_its_own_data_and_folder(category, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_AE_CACHE", str(tmp_path))
    monkeypatch.setattr(
        run_folder, "write_samples",
        lambda root, category: write_samples(root, category, size=64, counts=FEW[category]),
    )  # fmt: skip
    run = run_folder.find_run(category=category, **TINY)
    assert run.root.parent == tmp_path and run.root.name.startswith("samples-")
    assert [path.name for path in run.root.iterdir()] == [category]
    assert run.folder.name.startswith(f"drawn-{category}-quick")
    run_folder.print_facts(run)
    assert f"data: '{category}', drawn by this course: 3 good to train" in capsys.readouterr().out


def test_a_category_that_is_not_drawn_is_one_sentence_with_those_that_are():
    says = "built-in data has no category 'cable', only 'bottle', 'bracket' and 'weave'; give the"
    with pytest.raises(CourseError, match=says):
        run_folder.find_run(category="cable")


def test_a_cache_that_cannot_be_written_is_named(monkeypatch):
    def full_disk(root, category):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder, "write_samples", full_disk)
    with pytest.raises(CourseError, match=r"No space left on device; set .*COURSE_AE_CACHE"):
        open_run()


CELL = """
# What this lesson works with.
data = {data!r}  # folder of images
profile = "quick"  # the settings
run = {run!r}  # the run folder
"""


def notebook(small_data, folder, *cells, **others):
    """A notebook's `globals()` after its parameters cell, its imports and some more cells."""
    given = {"data": str(small_data), "run": str(folder), "seed": None, **TINY, **others}
    first = CELL.format(data=str(small_data), run=str(folder))
    return {"__name__": "__main__", "_i1": "text", "np": np, "In": ["", first, *cells],
            "make": print, **given}  # fmt: skip


def test_start_opens_the_run_of_the_parameters_and_prints_the_facts(small_data, tmp_path, capsys):
    run = start(notebook(small_data, tmp_path / "my-run", seed=5))
    assert run.folder == tmp_path / "my-run"
    assert run.settings == make_settings("quick", seed=5, **TINY)
    printed = capsys.readouterr().out
    assert "12 good to train, 6 good to test, 12 defective" in printed
    assert "profile: quick, run folder: my-run" in printed
    assert str(tmp_path) not in printed  # no absolute path in a committed notebook


@pytest.mark.parametrize(
    "cell",
    ['profile = "quick"\nepoch = 3  # a slip', "# Parameters\nepoch = 3\n"],
    ids=["typed into the cell", "added by papermill"],
)
def test_start_refuses_an_unknown_parameter(cell, small_data, tmp_path):
    namespace = notebook(small_data, tmp_path / "run", cell, "import numpy as np", epoch=3)
    with pytest.raises(CourseError, match="no parameter 'epoch'; did you mean 'epochs'"):
        start(namespace)
    assert not (tmp_path / "run").exists()


def test_a_slip_that_was_mended_in_its_cell_is_forgotten(small_data, tmp_path):
    wrong, right = 'profile = "quick"\nepoch = 3', 'profile = "quick"\nepochs = 2'
    namespace = notebook(small_data, tmp_path / "run", wrong, right, epoch=3)
    assert start(namespace).settings.epochs == 2


def test_start_lets_a_students_own_variables_pass_and_changes_none(small_data, tmp_path):
    own = {"threshold": 0.3, "note": "mine", "epoch": 7, "images": [1], "_hidden": True}
    namespace = notebook(small_data, tmp_path / "run", "threshold = 0.3\nepoch = 7", **own)
    before = dict(namespace)
    first = start(namespace)
    assert namespace == before and list(namespace) == list(before)
    assert start(namespace).folder == first.folder  # when its cell runs again


def test_start_needs_no_notebook_and_no_cell_that_python_can_read(small_data, tmp_path):
    namespace = notebook(small_data, tmp_path / "run", '%matplotlib inline\nprofile = "quick"')
    first = start(namespace)
    del namespace["In"]
    assert start(namespace).folder == first.folder


def test_start_checks_the_parameters_values(small_data, tmp_path):
    with pytest.raises(CourseError, match="'epochs' must be a whole number"):
        start(notebook(small_data, tmp_path / "run", epochs="many"))


@pytest.mark.parametrize("name", ["data", "category", "profile", "run"])
@pytest.mark.parametrize("value", [5, None])
def test_start_wants_places_as_text(small_data, tmp_path, name, value):
    with pytest.raises(CourseError, match=f"'{name}' must be text in quotes, not {value}"):
        start(notebook(small_data, tmp_path / "run", **{name: value}))


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


def test_what_the_folder_records_opens_the_same_run_again(run_copy, small_data):
    again = run_folder.find_run(**run_folder.recorded(run_copy.folder))
    assert again == run_copy


def test_a_run_folder_in_use_is_refused(small_data, tmp_path):
    run = open_run(data=str(small_data), run=str(tmp_path / "run"), **TINY)
    for task in ("command", "training"):
        with (
            run_folder.reserved(run, task),
            pytest.raises(CourseError, match=f"run' is in use by another {task}; wait for its end"),
            run_folder.reserved(run, task, patience=0.1),
        ):
            pass
    with run_folder.reserved(run, "training"), run_folder.reserved(run, "command"):
        pass  # a command trains


def test_colab_is_told_to_show_explorers(small_data, tmp_path, monkeypatch):
    told = []
    output = types.SimpleNamespace(enable_custom_widget_manager=lambda: told.append(True))
    monkeypatch.setitem(sys.modules, "google.colab", types.SimpleNamespace(output=output))
    run_folder.start({"data": str(small_data), "run": str(tmp_path / "run")})
    assert told
