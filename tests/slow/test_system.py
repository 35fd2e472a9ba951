"""What needs the system's help: permissions that are missing, and a disk that is full."""

import os
import shutil
import subprocess
import sys

import pytest
from spoilt import CHECKED, GOOD, IMPORT, PREDICT, image, tree

import course_ae

COMMAND = [sys.executable, "-m", "course_ae"]


def said(words, wrap, place):
    """What a command says when the system denies it something."""
    done = subprocess.run(
        [*wrap, *COMMAND, *words], cwd=place, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 2, done
    assert done.stderr.startswith("course-ae: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def ordinary():
    """The beginning of a command that has no right to pass over permissions, as root has."""
    if os.name == "nt":
        pytest.skip("Windows has other permissions")
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may do everything here")
    dropped = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={dropped}", f"--bounding-set={dropped}"]


@pytest.mark.parametrize(
    ("spoilt", "mode", "words"),
    [
        (GOOD, 0o000, CHECKED),
        ("data", 0o000, CHECKED),
        (f"{GOOD}/004.png", 0o000, CHECKED),
        ("photos/good", 0o000, IMPORT),
        ("runs", 0o555, ["evaluate", "--data", "data"]),
        ("cache", 0o555, CHECKED),
        ("new", 0o555, IMPORT),
        ("run", 0o555, PREDICT),
        ("run/settings.json", 0o000, PREDICT),
        ("run/denoiser.pt", 0o000, PREDICT),
    ],
)
def test_permission_that_is_missing(spoilt, mode, words, place, ordinary):
    path = place / spoilt
    if not path.exists():
        path.mkdir()
    before, rights = tree(place), path.stat().st_mode
    path.chmod(mode)
    try:
        sentence = said(words, ordinary, place)
    finally:
        path.chmod(rights)
    assert path.name in sentence
    assert tree(place) == before


@pytest.fixture
def tiny_disk(place):
    """The beginning of a command that finds a disk of 1 MB in `full`."""
    (place / "full").mkdir()
    mount = "mount -t tmpfs -o size=1m tmpfs full"
    wrap = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*wrap, "true"], cwd=place).returncode:
        pytest.skip("no small disk can be made here")
    return wrap


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "--data", "data", "--run", "full/run", "-p", "epochs", "2"],
        ["import", "full", "--category", "mug", "--good", "photos/large"],
        [*PREDICT, "--pictures", "full/pictures"],
        ["predict", "photos/large", "--run", "run", "--pictures", "full"],
    ],
)
def test_full_disk(words, place, tiny_disk):
    (place / "photos/large").mkdir()
    for i in range(40):
        image(place / f"photos/large/{i}.jpg", (900 + i, 900))
    if words[-2:] == ["--pictures", "full/pictures"]:
        tiny_disk[-2] = tiny_disk[-2].replace("&&", "&& head -c 1040000 /dev/zero > full/zeros &&")
    before = tree(place)
    assert "full" in said(words, tiny_disk, place)
    assert tree(place) == before


def test_the_command_says_its_version_at_once(tmp_path):
    words = [sys.executable, "-X", "importtime", "-m", "course_ae", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.strip() == course_ae.__version__
    assert "torch" not in done.stderr and "sklearn" not in done.stderr
