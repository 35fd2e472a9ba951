"""The command: every mistake is one sentence on stderr, and nothing is left behind."""

import shutil

import pytest
from spoilt import tree

import course_ae
from course_ae.command import check, notebooks
from course_ae.command.cli import main


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder to work in, whose name is not easy, with cache and runs in it."""
    work = tmp_path / "dati è spazio"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("COURSE_AE_CACHE", str(work / "cache"))
    monkeypatch.setenv("COURSE_AE_RUNS", str(work / "runs"))
    return work


@pytest.fixture
def given(finished, monkeypatch):
    """The parameters that the lessons would get; they are not executed, but leave a summary."""
    parameters = {}

    def run_lessons(run, those, resume, done):
        parameters.update(those)
        shutil.copy(finished.folder / "summary.json", run.folder)

    monkeypatch.setattr(notebooks, "run_lessons", run_lessons)
    return parameters


def refused(capsys, folder, *arguments):
    """What the command says when it refuses; checks that it is one line and nothing is written."""
    before = tree(folder)
    assert main(["run", *map(str, arguments)]) == 2
    assert tree(folder) == before
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("course-ae: ") and shown.err.endswith(".\n")
    assert shown.err.count("\n") == 1 and "Traceback" not in shown.err
    return shown.err


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("epoch", "3"), "no setting 'epoch'; did you mean 'epochs'"),
        (("zzz", "3"), "no setting 'zzz'; known are: category, seed"),
        (("epochs", "three"), "'epochs' must be a whole number, not 'three'"),
        (("epochs", "2.5"), "'epochs' must be a whole number, not '2.5'"),
        (("epochs", "0"), "'epochs' must lie between 1 and"),
        (("learning_rate", "nan"), "'learning_rate' must lie between"),
        (("learning_rate", "fast"), "'learning_rate' must be a number, not 'fast'"),
        (("batch_norm", "yes"), "'batch_norm' must be true or false, not 'yes'"),
        (("loss", "sim"), "'loss' has no value 'sim'; did you mean 'ssim'"),
        (("category", "cable"), "built-in data has no category 'cable'"),
    ],
)
def test_wrong_setting(pair, says, places, capsys):
    before = tree(places)
    assert main(["run", "-p", *pair]) == 2
    shown = capsys.readouterr()
    assert says in shown.err and shown.err.count("\n") == 1 and shown.out == ""
    assert tree(places) == before


def test_unknown_profile_names_the_nearest(places, capsys):
    assert main(["run", "--profile", "quik"]) == 2
    assert "no profile 'quik'; did you mean 'quick'?" in capsys.readouterr().err
    assert tree(places) == {}


def test_unusable_data(places, capsys):
    empty = places / "è vuota"
    empty.mkdir()
    assert "There is no folder" in refused(capsys, places, "--data", "nicht da")
    assert "è vuota" in refused(capsys, places, "--data", empty)
    (empty / "cable/train/good").mkdir(parents=True)
    said = refused(capsys, places, "--data", empty, "--category", "bottle")
    assert "no category 'bottle'; known are: cable" in said
    assert "has 0 images" in refused(capsys, places, "--data", empty, "--category", "cable")


def test_folder_without_test_images(places, data_copy, capsys):
    for path in (data_copy / "bottle/test/good").iterdir():
        path.unlink()
    assert "has 0 images" in refused(capsys, data_copy.parent, "--data", data_copy)


@pytest.mark.parametrize("name", ["test/good/001.png", "ground_truth/contamination/001_mask.png"])
def test_unreadable_image_is_found_before_anything_is_written(name, places, data_copy, capsys):
    (data_copy / "bottle" / name).write_bytes(b"no image")
    said = refused(capsys, data_copy.parent, "--data", data_copy, "--run", places / "new" / "run")
    assert name in said.replace("\\", "/")


def test_too_few_images_to_split(places, small_data, capsys):
    said = refused(capsys, places, "--data", small_data, "-p", "calibration_fraction", "0.01")
    assert "cannot be split" in said


def test_run_folder_of_another_run(places, small_data, given, capsys):
    assert main(["run", "--data", str(small_data), "--run", "è mia"]) == 0
    assert (places / "è mia/report/index.html").is_file()
    capsys.readouterr()
    said = refused(capsys, places, "--data", small_data, "--run", "è mia", "-p", "seed", "1")
    assert "seed 0 instead of 1" in said and "è mia" in said


def test_run_folder_that_is_a_file_or_below_one(places, small_data, capsys):
    (places / "file").write_text("mine")
    for place in ("file", "file/below"):
        assert "file'" in refused(capsys, places, "--data", small_data, "--run", place)


def test_lessons_get_absolute_paths_and_parsed_values(places, small_data, given, capsys):
    pairs = ["-p", "epochs", "3", "-p", "batch_norm", "False", "-p", "seed", "none"]
    assert main(["run", "--data", str(small_data), "--run", "mia", *pairs]) == 0
    assert given == {
        "data": str(small_data), "category": "bottle", "profile": "quick",
        "run": str(places / "mia"), "epochs": 3, "batch_norm": False,
    }  # fmt: skip
    shown = capsys.readouterr().out
    assert "slides, SSIM" in shown
    assert shown.endswith(f"Report: {places / 'mia' / 'report' / 'index.html'}\n")


def test_evaluate_prints_the_table_of_a_finished_run(places, run_copy, capsys):
    assert main(["evaluate", "--run", str(run_copy.folder), "--resume"]) == 0
    shown = capsys.readouterr().out
    assert "Found the trained network, model.pt" in shown
    assert "normalised" in shown and "mean image, L2" in shown and "slides, SSIM" in shown


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--profile", "slides"), "profile 'quick' instead of 'slides'"),
        (("--category", "plank"), "no category 'plank'"),
        (("-p", "epochs", "9"), "epochs 2 instead of 9"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(places, run_copy, option, said, capsys):
    arguments = ["evaluate", "--run", str(run_copy.folder), "--resume", *option]
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_stopped_by_the_user(places, small_data, monkeypatch, capsys):
    def stop(run, parameters, resume, done):
        raise KeyboardInterrupt

    monkeypatch.setattr(notebooks, "run_lessons", stop)
    assert main(["run", "--data", str(small_data)]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_check(places, small_data, capsys):
    assert main(["check", "--data", str(small_data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("OK ") for line in lines)
    for word in ("Python", "torch", "device", "cache", "runs", "lessons", "train/good"):
        assert any(word in line for line in lines), word
    assert "12 images here, 209 in MVTec AD" in "".join(lines)
    assert main(["check", "--data", "nowhere"]) == 1
    assert "TO DO  data: There is no folder" in capsys.readouterr().out


def test_check_tells_of_a_missing_package(places, monkeypatch, capsys):
    monkeypatch.setattr(
        check.metadata, "requires", lambda name: ["numpy<999,>=99", "no-such-thing>=1"]
    )
    assert main(["check"]) == 1
    shown = capsys.readouterr().out
    assert "older than 99" in shown and "no-such-thing is missing" in shown


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("course-ae", 1, "TO DO  packages: course-ae is missing; install course-ae again."),
        ("jupyterlab", 0, "OK     lab: no JupyterLab"),
    ],
)
def test_check_tells_what_is_not_installed(
    name, code, says, places, small_data, monkeypatch, capsys
):
    def distribution(asked, there=check.metadata.distribution):
        if asked == name:
            raise check.metadata.PackageNotFoundError(asked)
        return there(asked)

    monkeypatch.setattr(check.metadata, "distribution", distribution)  # version and requires ask it
    assert main(["check", "--data", str(small_data)]) == code
    assert sum(line.startswith(says) for line in capsys.readouterr().out.splitlines()) == 1


def test_help_version_and_usage(capsys):
    assert main([]) == 0
    assert "check" in capsys.readouterr().out
    with pytest.raises(SystemExit) as usage:
        main(["run", "-p", "epochs"])
    assert usage.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit) as version:
        main(["--version"])
    assert version.value.code == 0
    assert capsys.readouterr().out.strip() == course_ae.__version__
