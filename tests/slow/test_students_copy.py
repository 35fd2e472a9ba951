"""A student's copy runs through with nothing filled in, and says the same as with the solutions."""

import re
import shutil

from lesson_files import LESSONS, code_cells, tags

from course_ae.command import notebooks
from course_ae.command.cli import main

TINY = ("epochs 2", "width 0.1", "bottleneck 8", "batch_size 4")
# What tells how the networks came to be there, in how many seconds, and the bars.
PASSING = re.compile(
    r"Training|Going on|Stopped|Found the trained|images/s|\d+%\||seconds|MiB|run folder"
)


def said(path):
    """What each cell of a lesson prints and writes, by its source, without exercises."""
    found = {}
    for cell in code_cells(path):
        if not {"exercise", "solution", "parameters", "injected-parameters"} & set(tags(cell)):
            texts = [out.get("text", "") for out in cell.outputs]
            texts += [out.get("data", {}).get("text/markdown", "") for out in cell.outputs]
            lines = "".join(texts).replace("\r", "\n").splitlines()
            found[cell.source] = [line for line in lines if line and not PASSING.search(line)]
    return found


def test_without_the_solutions_all_later_cells_say_the_same(
    small_data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COURSE_AE_RUNS", str(tmp_path / "runs"))
    solved, alone, copy = tmp_path / "solved", tmp_path / "alone", tmp_path / "copy"
    settings = [word for pair in TINY for word in ("-p", *pair.split())]
    assert main(["run", "--data", str(small_data), "--run", str(solved), *settings]) == 0
    shutil.copytree(solved, alone, ignore=shutil.ignore_patterns("notebooks", "report"))
    assert main(["start", str(copy)]) == 0
    monkeypatch.setattr(notebooks, "lessons_folder", lambda: copy)
    assert main(["run", "--run", str(alone), "--resume"]) == 0, capsys.readouterr().err

    for lesson in LESSONS:
        with_them, without = (said(run / "notebooks" / lesson.name) for run in (solved, alone))
        assert with_them.keys() == without.keys()
        assert sum(map(len, without.values())) > 10  # there is something to compare
        for source, lines in without.items():
            assert lines == with_them[source], f"{lesson.name}: {source}"
        exercises = [cell for cell in code_cells(alone / "notebooks" / lesson.name)
                     if "exercise" in tags(cell)]  # fmt: skip
        assert len(exercises) == 3
        assert not any("solution" in tags(cell) for cell in code_cells(copy / lesson.name))
