"""Bringing images in under kills, on a full disk, and where nothing may be written."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mvtec_server import facts_of, is_right, official_files, serving, tiny_png, write_archive

from course_ae.data import load_samples
from course_ae.datasets import download as module
from course_ae.datasets.download import download
from course_ae.datasets.mvtec_ad import compare_with_official
from course_ae.datasets.photographs import import_photographs
from course_ae.support.errors import CourseError

CHILD = """
from pathlib import Path
from course_ae.datasets import download as module
module.ARCHIVES = (module.Archive(*{facts!r}),)
module.download("bottle", Path({data!r}), accepted=True)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """A bottle.tar.xz of three megabytes, so that a kill finds something to interrupt."""
    files = official_files("bottle") | {"bottle/noise": random.Random(1).randbytes(3_000_000)}
    return write_archive(tmp_path_factory.mktemp("archives") / "bottle.tar.xz", files)


@pytest.fixture
def server(monkeypatch, archive):
    """Serves the archive, which the course takes for the official one."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serving(archive.read_bytes()) as running:
        monkeypatch.setattr(module, "ARCHIVES", (facts_of(archive, running.url),))
        monkeypatch.setattr(module, "CHUNK", 4096)
        yield running


def test_importing_it_is_light():
    code = "import sys, course_ae.datasets.download; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_killed_at_any_moment(server, archive, tmp_path):
    """Twenty kills at random moments of loading, checking and unpacking, then once to the end."""
    data = tmp_path / "data"
    server.pause = 0.001  # seconds for each 4096 bytes
    code = CHILD.format(facts=tuple(module.ARCHIVES[0]), data=str(data))
    numbers, start = random.Random(0), 9.0  # seconds from the start to the first request, at least
    for _ in range(20):
        asked, begin = len(server.seen), time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        if (data / archive.name).exists():
            time.sleep(start)
        else:
            while len(server.seen) == asked and process.poll() is None:
                time.sleep(0.002)
            start = min(start, time.monotonic() - begin)
        time.sleep(numbers.uniform(0, 0.15))
        process.kill()
        process.wait()
        if (data / "bottle").exists():
            assert compare_with_official("bottle", load_samples(data / "bottle")) == []
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert is_right(data, "bottle", archive.name)
    assert (data / archive.name).read_bytes() == server.content
    begins = [begin for _, begin in server.seen]
    assert begins == sorted(begins) and sum(begin > 0 for begin in begins) >= 3
    assert server.sent < 2 * len(server.content)


class Full:
    """A file on a disk that becomes full."""

    def __init__(self, file, room: int):
        self.file, self.room = file, room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content: bytes) -> int:
        self.room -= len(content)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return self.file.write(content)


def test_full_disk_keeps_what_was_loaded(server, archive, tmp_path, monkeypatch):
    plain, data = Path.open, tmp_path / "data"

    def full(path, mode="r", *more):
        file = plain(path, mode, *more)
        return Full(file, 10_000) if path.suffix == ".part" and mode != "rb" else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(CourseError) as caught:
            download("bottle", data, accepted=True)
    text = str(caught.value)
    assert "No space left on device" in text and text.endswith("what was loaded is kept.")
    assert {path.name for path in data.iterdir()} == {".download.lock", f"{archive.name}.part"}
    download("bottle", data, accepted=True)
    assert is_right(data, "bottle", archive.name) and server.seen[-1][1] == 8192


def test_full_disk_while_unpacking_leaves_no_half_category(server, archive, tmp_path, monkeypatch):
    data, extract = tmp_path / "data", module.tarfile.TarFile.extract
    count = iter(range(99_999))

    def full(self, *arguments, **options):
        if next(count) == 100:
            raise OSError(28, "No space left on device")
        return extract(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module.tarfile.TarFile, "extract", full)
        with pytest.raises(CourseError, match="No space left on device"):
            download("bottle", data, accepted=True)
    assert {path.name for path in data.iterdir()} == {".download.lock", archive.name}
    download("bottle", data, accepted=True)
    assert is_right(data, "bottle", archive.name) and len(server.seen) == 1


def test_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(CourseError, match=r"file' is no folder that can be written; .*\.$"):
        download("bottle", tmp_path / "file" / "below", accepted=True)
    assert (tmp_path / "file").read_bytes() == b"mine" and server.seen == []


def test_a_killed_import_leaves_nothing_and_the_next_one_tidies(tmp_path):
    data, good = tmp_path / "data", tmp_path / "good"
    good.mkdir()
    for i in range(13):
        (good / f"{i}.png").write_bytes(tiny_png(i))
    (data / ".999999999-x-importing/train").mkdir(parents=True)
    code = (
        "from pathlib import Path; import course_ae.datasets.photographs as p, time\n"
        "p._keep_for_test = lambda *a, **k: (print('now', flush=True), time.sleep(60))\n"
        f"p.import_photographs(Path({str(data)!r}), 'mug', Path({str(good)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now" + os.linesep.encode()
    process.kill()
    process.wait()
    (left,) = data.iterdir()
    assert left.name.startswith(f".{process.pid}-") and left.name.endswith("-importing")
    time.sleep(0.1)
    import_photographs(data, "mug", good)
    assert [path.name for path in data.iterdir()] == ["mug"]
