"""A command goes on with a run that was stopped, and never beside another one."""

import pytest
import torch
from small_network import same_weights
from tiny_run import TINY

from course_ae.command import notebooks, report
from course_ae.command.cli import main
from course_ae.experiment import run_folder

PAIRS = [word for name, value in TINY.items() for word in ("-p", name, str(value))]


def test_a_run_folder_in_use_is_refused(small_data, tmp_path, capsys):
    run = run_folder.open_run(data=str(small_data), run=str(tmp_path / "run"), **TINY)
    arguments = ["--data", str(small_data), "--run", str(tmp_path / "run"), *PAIRS]
    with run_folder.reserved(run, "command"):
        assert main(["train", *arguments]) == 2
    said = capsys.readouterr().err
    assert "run' is in use by another command; wait for its end, or" in said
    assert said.count("\n") == 1


def test_resume_takes_data_and_settings_from_the_folder(run_copy, finished, tmp_path, capsys):
    folder = run_copy.folder
    (folder / "model.pt").unlink()
    resume = ["train", "--run", str(folder), "--resume"]
    assert main(resume) == 0
    weights = torch.load(folder / "model.pt", weights_only=True)
    assert same_weights(weights, finished.model.state_dict())
    capsys.readouterr()
    assert main([*resume, "-p", "seed", "1"]) == 2
    assert "seed 0 instead of 1" in capsys.readouterr().err
    assert main(["train", "--run", str(tmp_path / "none"), "--resume"]) == 2
    assert "There is no run in" in capsys.readouterr().err
    (folder / "settings.json").write_text('{"settings": 3}')
    assert main(resume) == 2
    assert "is not a run's file" in capsys.readouterr().err


def test_images_that_were_moved_can_be_told_anew(run_copy, small_data, tmp_path, capsys):
    small_data.rename(tmp_path / "moved")
    try:
        resume = ["train", "--run", str(run_copy.folder), "--resume"]
        assert main(resume) == 2
        assert "There is no folder" in capsys.readouterr().err
        assert main([*resume, "--data", str(tmp_path / "moved")]) == 0
    finally:
        (tmp_path / "moved").rename(small_data)


@pytest.fixture
def executed(monkeypatch):
    """The lessons that are executed; the third is stopped the first time."""
    numbers = []

    def execute(path, folder, parameters, progress):
        numbers.append(path.name[:2])
        if numbers == ["01", "02", "03"]:
            raise KeyboardInterrupt
        (folder / "notebooks").mkdir(exist_ok=True)
        (folder / "notebooks" / path.name).write_text("{}")

    monkeypatch.setattr(notebooks, "run_lesson", execute)
    monkeypatch.setattr(report, "write_report", lambda run, pages: "report")
    return numbers


def test_lessons_that_are_there_are_left_out(executed, run_copy, small_data, capsys):
    folder = str(run_copy.folder)
    assert main(["run", "--data", str(small_data), "--run", folder, *PAIRS]) == 130
    assert executed == ["01", "02", "03"]
    assert main(["run", "--run", folder, "--resume"]) == 0
    assert executed == ["01", "02", "03", "03", "04", "05", "06", "07", "08"]
    assert "01 dataset exploration ... there already\n" in capsys.readouterr().out
