"""Files appear whole or not at all, and what is left behind is tidied by nobody else."""

import os
from pathlib import Path

import pytest

from course_ae.experiment.run_folder import read_json
from course_ae.support.errors import CourseError
from course_ae.support.files import (
    cache_folder,
    read_csv,
    remove_leftovers,
    replace_file,
    write_csv,
    write_json,
    write_text,
)


def test_csv_survives_writing_and_reading(tmp_path):
    rows = [{"name": 'a, "b"', "value": 0.1}, {"name": "è", "value": 1e-30}]
    write_csv(tmp_path / "table.csv", rows)
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


def test_only_what_dead_processes_left_is_removed(tmp_path):
    mine, dead = tmp_path / f".{os.getpid()}-a.csv", tmp_path / "sub" / ".999999999-b.csv"
    dead.parent.mkdir()
    for path in (mine, dead, tmp_path / "c.csv", tmp_path / ".hidden"):
        path.write_text("")
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted(
        [mine.name, ".hidden", "c.csv", "sub"]
    )


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_AE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("COURSE_AE_CACHE", "~/somewhere")
    assert cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("COURSE_AE_CACHE")
    assert cache_folder().name == "course_ae" and cache_folder().is_absolute()
