"""Loading the data set: right bytes or one clear sentence, whatever the server does."""

import io
import random
import re
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from mvtec_server import (
    FOLDER,
    facts_of,
    is_right,
    member,
    official_files,
    proper,
    serving,
    write_archive,
)  # fmt: skip

from course_ae.data import load_samples
from course_ae.datasets import download as module
from course_ae.datasets import mvtec_ad
from course_ae.datasets.download import download
from course_ae.datasets.mvtec_ad import OFFICIAL, compare_with_official
from course_ae.support.errors import CourseError, ManualStepsError

BRUSH = "toothbrush.tar.xz"  # of the category with the fewest files
PART = f"{BRUSH}.part"
SPACE = SimpleNamespace(free=10**12)  # bytes


# Faults of a server


def breaks_after(count: int):
    return lambda handler: proper(handler, stop=count)


def no_ranges(handler, stop: int | None = None):
    handler.begin = 0
    proper(handler, stop)


def only_from_the_start(handler):
    return says(416)(handler) if handler.begin else proper(handler)


def says(status: int, content: bytes = b"", **headers):
    def act(handler):
        handler.say(status, Content_Length=len(content), **headers)
        handler.send(content)

    return act


def unmeasured(handler, content: bytes = b"", **headers):
    """Chunked, without a length."""
    handler.say(200, Transfer_Encoding="chunked", **headers)
    for piece in (content or handler.server.content, b""):
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def endless(handler, **headers):
    handler.say(200, **headers)
    while True:
        handler.send(bytes(1 << 16))


def leads_to(address: str):
    return says(302, Location=address)


PAGE = says(200, b"<html>Please accept our cookies</html>", Content_Type="text/html; charset=utf-8")


# What a call does


@pytest.fixture(scope="session")
def brush(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archives") / BRUSH
    return write_archive(path, official_files("toothbrush"))


@pytest.fixture(scope="session")
def full(tmp_path_factory) -> Path:
    """Two categories and a file beside them, one folder down."""
    path = tmp_path_factory.mktemp("archives") / f"{FOLDER}.tar.xz"
    files = official_files("bottle") | official_files("toothbrush") | {"license.txt": b"free"}
    return write_archive(path, files, prefix=f"./{FOLDER}/")


@pytest.fixture
def server(monkeypatch, brush, full):
    """Serves the toothbrushes; the course knows the two small archives, not the official ones."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serving(brush.read_bytes()) as running:
        known = tuple(facts_of(path, running.url) for path in (brush, full))
        monkeypatch.setattr(module, "ARCHIVES", known)
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pauses, small pieces, and a disk that is large enough."""
    monkeypatch.setattr(module, "PAUSE", 0)
    monkeypatch.setattr(module, "CHUNK", 4096)
    monkeypatch.setattr(module, "TIMEOUT", (5, 5))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SPACE)


@pytest.fixture
def only_loads(monkeypatch):
    """Nothing is unpacked, which takes longest."""
    monkeypatch.setattr(module, "_unpack", lambda path, names, staging: None)


@pytest.fixture
def data(tmp_path) -> Path:
    """Where the categories go: not there yet, with a name that is not easy."""
    return tmp_path / "dati è spazio"


def tree(folder: Path) -> dict:
    """All below a folder but the lock."""
    paths = [path for path in folder.rglob("*") if path.name != ".download.lock"]
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink()
        else path.is_dir() or path.read_bytes()
        for path in paths
    }  # fmt: skip


def load(data: Path, **options) -> list[Path]:
    return download("toothbrush", data, **({"accepted": True} | options))


def refused(data: Path, category="toothbrush", lines=1, left=(), gone=(), **options) -> str:
    """What a call says when it refuses; but for `left` and `gone` all is as before."""
    data.mkdir(exist_ok=True)
    before = tree(data.parent)
    with pytest.raises(CourseError) as caught:
        download(category, data, **({"accepted": True} | options))
    after, text = tree(data.parent), str(caught.value)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {f"{data.name}/{name}" for name in (*left, *gone)}
    assert all(f"{data.name}/{name}" in after for name in left)
    assert text[-1] in (".?" if "did you mean" in text else ".") and text.count("\n") == lines - 1
    assert isinstance(caught.value, ManualStepsError) == (lines > 1)
    return text


# Arguments, licence, space, and what is there already


@pytest.mark.parametrize(
    ("category", "options", "says"),
    [
        ("botle", {}, "no category 'botle'; did you mean 'bottle'"),
        ("xyz", {}, "no category 'xyz'; known are: bottle, cable"),
        ("bottle", {"archive": Path("/nowhere.tar")}, "no file '"),
        ("bottle", {"url": "http://example.com/bottle.tar.xz"}, "not allowed"),
        ("bottle", {"url": "http://127.0.0.1.example.com/"}, "not allowed"),
        ("bottle", {"url": "http://127.0.0.1:1@example.com/"}, "not allowed"),
        ("bottle", {"url": r"http://example.com\@127.0.0.1/"}, "not allowed"),
        ("bottle", {"url": "ftp://example.com/bottle.tar.xz"}, "not allowed"),
        ("bottle", {"url": "file:///etc/passwd"}, "not allowed"),
        ("bottle", {"url": "https://"}, "not allowed"),
        ("bottle", {"url": "https://example.com/\nx"}, "not allowed"),
        ("bottle", {"url": "bottle.tar.xz"}, "not allowed"),
    ],
)
def test_wrong_argument(category, options, says, data):
    assert says in refused(data, category, **options)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("host", ["localhost:80", "127.8.9.1", "[::1]:8080"])
def test_this_machine_may_speak_http(host):
    module._require_safe(f"http://{host}/archive", "http")


class Keyboard(io.StringIO):
    def __init__(self, typed: str, terminal: bool = True):
        super().__init__(typed)
        self.isatty = lambda: terminal


@pytest.mark.parametrize("stdin", [Keyboard(""), Keyboard("no\n"), Keyboard("yes\n", False), None])
def test_licence_refused(stdin, data, server, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", stdin)
    assert "--accept-license" in refused(data, accepted=False)
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out
    assert list(data.iterdir()) == [] and server.seen == []


def test_licence_typed(data, server, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Keyboard(" Yes\n"))
    assert load(data, accepted=False) == [data / "toothbrush"]
    shown = capsys.readouterr().out
    assert mvtec_ad.PAGE in shown and "may be deleted" in shown and "\r" not in shown
    assert is_right(data, "toothbrush", BRUSH) and (data / BRUSH).read_bytes() == server.content


class Asked(Exception):  # noqa: N818
    """The licence is asked for: all that comes before has passed."""


@pytest.mark.parametrize(
    ("category", "part", "needed"),
    [
        ("bottle", 0, 2.1 * 155_880_244),
        ("bottle", 100_000_000, 2.1 * 155_880_244 - 100_000_000),
        ("cable", 0, 1.22 * 5_264_982_680),
        ("all", 0, 2.1 * 5_264_982_680),
    ],
)
def test_space(category, part, needed, data, monkeypatch):
    data.mkdir()
    if part:
        with (data / "bottle.tar.xz.part").open("wb") as file:
            file.truncate(part)

    def asked(accepted):
        raise Asked

    monkeypatch.setattr(module, "_accept_licence", asked)
    for more, expected in ((-1000, CourseError), (1000, Asked)):
        disk = SimpleNamespace(free=int(needed) + more)
        monkeypatch.setattr(module.shutil, "disk_usage", lambda path, disk=disk: disk)
        with pytest.raises(expected) as caught:
            download(category, data / "new" if not part else data)
        text = str(caught.value)
    assert text == ""
    assert not (data / "new").exists()


def test_space_in_words(data, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    text = refused(data, "all")
    assert "has 1.0 GB free, and 11.1 GB are needed (5.3 GB to load, 5.8 GB for the images)" in text


def test_complete_already(data, server, capsys):
    load(data)
    before, asked = tree(data), len(server.seen)
    capsys.readouterr()
    assert download("toothbrush", data) == [data / "toothbrush"]
    assert capsys.readouterr().out == f"'{data / 'toothbrush'}' is complete.\n"
    assert tree(data) == before and len(server.seen) == asked


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("train/good/000.png", "train/good: 59 images here, 60 in MVTec AD"),
        ("ground_truth/defective/000_mask.png", "defective: 29 masks here, 30 in MVTec AD"),
        ("test/defective/000.png", "is the mask of no image"),
    ],
)
def test_there_but_different(name, says, data, server):
    load(data)
    (data / "toothbrush" / name).unlink()
    text = refused(data)
    assert says in text and "move it away and repeat" in text


@pytest.mark.parametrize("kind", ["file", "empty", "dead link"])
def test_something_else_is_there(kind, data, server):
    data.mkdir()
    path = data / "toothbrush"
    make = {
        "file": lambda: path.write_bytes(b"mine"),
        "empty": path.mkdir,
        "dead link": lambda: path.symlink_to(data / "nowhere"),
    }
    try:
        make[kind]()
    except OSError:
        pytest.skip("This system has no links.")
    assert "is there already" in refused(data)
    assert server.seen == []


# Loading

FAULTS = {
    "none": [],
    "breaks off three times": [breaks_after(10_000)] * 3,
    "breaks off at once": [breaks_after(0)] * 4,
    "breaks off, then ignores ranges": [breaks_after(20_000), no_ranges],
    "breaks off, then goes on elsewhere": [breaks_after(9000), lambda h: proper(h, shift=100)],
    "breaks off, then has no more": [breaks_after(9000)] + [only_from_the_start] * 9,
    "no length": [unmeasured],
    "fails for a while": [says(500), says(503, Content_Type="text/html"), says(429), says(500)],
    "leads elsewhere": [leads_to("/elsewhere")],
    "leads elsewhere five times": [leads_to(f"/{i}") for i in range(5)],
    "breaks off, then leads elsewhere": [breaks_after(9000), leads_to("/elsewhere")],
}


@pytest.mark.parametrize("acts", FAULTS.values(), ids=FAULTS)
def test_fault_of_the_server(acts, data, server, only_loads):
    server.acts.extend(acts)
    load(data)
    assert tree(data) == {BRUSH: server.content}


def test_loaded_in_two_pieces_and_unpacked(data, server):
    server.acts.append(breaks_after(10_000))
    assert load(data) == [data / "toothbrush"]
    assert is_right(data, "toothbrush", BRUSH) and (data / BRUSH).read_bytes() == server.content
    (_, first), (_, second) = server.seen
    assert first == 0 < second <= 10_000


def test_what_was_loaded_is_not_loaded_again(data, server):
    server.acts.extend([breaks_after(20_000)] + [says(500)] * 5)
    text = refused(data, lines=6, left=[PART])
    assert "status 500" in text and "goes on after its 0 MB" in text
    loaded = (data / PART).stat().st_size
    assert 0 < loaded <= 20_000 and server.content.startswith((data / PART).read_bytes())
    server.seen.clear()
    load(data)
    assert server.seen == [("/archive", loaded)] and is_right(data, "toothbrush", BRUSH)


@pytest.mark.parametrize("size", [10_000, 10_000_000], ids=["short", "longer than the archive"])
def test_wrong_part_is_loaded_once_more(size, data, server, only_loads, capsys):
    data.mkdir()
    (data / PART).write_bytes(b"?" * size)
    load(data)
    assert tree(data) == {BRUSH: server.content} and server.seen[-1] == ("/archive", 0)
    assert "wrong SHA-256; loading it again" in capsys.readouterr().out


def test_whole_part_needs_no_server(data, server, only_loads):
    data.mkdir()
    (data / PART).write_bytes(server.content)
    load(data)
    assert server.seen == [] and tree(data) == {BRUSH: server.content}


def test_other_bytes(data, server):
    server.content = server.content[::-1]
    text = refused(data)
    assert "so it was deleted; repeat" in text and server.url in text
    assert tree(data) == {} and len(server.seen) == 1


def test_other_bytes_after_a_part(data, server):
    server.content = server.content[::-1]
    data.mkdir()
    (data / PART).write_bytes(b"?" * 100)
    assert "so it was deleted" in refused(data, gone=[PART])
    assert tree(data) == {} and [begin for _, begin in server.seen] == [100, 0]


def test_more_bytes_than_the_archive_has(data, server):
    server.acts.append(endless)
    assert "so it was deleted" in refused(data)
    assert tree(data) == {} and server.sent < 10_000_000


DEAD = {
    **{str(status): says(status) for status in (404, 403, 410, 304)},
    "page": PAGE,
    "page without a length": lambda h: unmeasured(h, b"<html></html>", Content_Type="text/html"),
    "too long": lambda handler: proper(handler, length=5000),
    "too short": lambda handler: proper(handler, length=-9000),
    "endless": lambda handler: endless(handler, Content_Length=10**12),
    "a length that Python makes no number of": lambda handler: handler.say(
        200, Content_Length="9" * 5000
    ),
}


@pytest.mark.parametrize("act", DEAD.values(), ids=DEAD)
def test_dead_link(act, data, server):
    server.acts.append(act)
    text = refused(data, lines=6)
    assert "Load it by hand:\n1. Open https://www.mvtec.com/" in text
    assert f"2. Load '{BRUSH}' (0 MB)" in text and text.endswith("loaded so far.")
    command = f'course-ae download toothbrush --data "{data}" --archive FILE --accept-license'
    assert command in text and server.url in text
    assert len(server.seen) == 1 and tree(data) == {}


def test_link_that_dies_keeps_what_was_loaded(data, server):
    server.acts.extend([breaks_after(20_000), PAGE])
    assert f"'{data / PART}' is kept" in refused(data, lines=6, left=[PART])
    assert server.content.startswith((data / PART).read_bytes())


def test_server_that_is_down(data, server):
    server.acts.extend([says(500)] * 99)
    assert "status 500" in refused(data, lines=6)
    assert len(server.seen) == 1 + module.RETRIES and tree(data) == {}


def no_ranges_and_breaks_off(handler):
    no_ranges(handler, 8192)


def noise(handler):
    handler.wfile.write(random.Random(0).randbytes(999))


def bad_chunks(handler):
    handler.say(200, Transfer_Encoding="chunked")
    handler.send(b"many\r\n???")


@pytest.mark.parametrize("act", [breaks_after(0), no_ranges_and_breaks_off, noise, bad_chunks])
def test_server_that_never_gets_further(act, data, server):
    server.acts.extend([breaks_after(8192)] + [act] * 99)
    text = refused(data, lines=6, left=[PART])
    assert "the connection failed" in text or "it ends early" in text  # as urllib3 has it
    assert len(server.seen) == 2 + module.RETRIES


def test_no_connection(data, server):
    assert "ConnectionError" in refused(data, lines=6, url="http://127.0.0.1:1/archive")
    assert "no address" in refused(data, lines=6, url="https://a..b/archive")
    server.acts.append(leads_to("http://[x"))
    assert "no address" in refused(data, lines=6)
    assert tree(data) == {}


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/archive",
        "ftp://127.0.0.1/archive",
        "file:///etc/passwd",
        "http://192.0.2.1/archive",
        "//192.0.2.1/archive",
        "http://127.0.0.1@192.0.2.1/archive",
    ],
)
def test_redirect_that_is_refused(address, data, server):
    server.acts.append(leads_to(address))
    text = refused(data)
    assert "192.0.2.1" in text or address in text
    assert "not allowed" in text and len(server.seen) == 1 and tree(data) == {}


def test_redirects_without_end(data, server):
    server.acts.extend([leads_to("/archive")] * 99)
    assert "leads on and on" in refused(data)
    assert len(server.seen) == 6


def test_two_at_once(data, server):
    data.mkdir()
    with FileLock(data / ".download.lock"):
        assert "in use by another download" in refused(data)
    assert server.seen == []
    load(data)
    assert is_right(data, "toothbrush", BRUSH)


# Archives that are there before


def test_archive_is_there(data, server, brush):
    data.mkdir()
    (data / BRUSH).write_bytes(server.content)
    load(data)
    assert server.seen == [] and is_right(data, "toothbrush", BRUSH)
    assert (data / BRUSH).read_bytes() == server.content


@pytest.mark.parametrize("fault", [lambda content: content[:-1], lambda content: content[::-1]])
def test_wrong_archive_is_there(fault, data, server):
    data.mkdir()
    (data / BRUSH).write_bytes(fault(server.content))
    text = refused(data)
    assert f"{BRUSH}' is not '{BRUSH}'" in text and "move it away" in text and server.seen == []


def test_full_archive_is_there(data, server, full):
    data.mkdir()
    (data / full.name).write_bytes(full.read_bytes())
    download("bottle", data, accepted=True)
    load(data)
    assert server.seen == [] and is_right(data, "bottle", "toothbrush", full.name)
    assert is_right(data, "toothbrush", "bottle", full.name)


def test_all_categories(data, server, full, monkeypatch):
    few = {name: OFFICIAL[name] for name in ("bottle", "toothbrush")}
    monkeypatch.setattr(module, "OFFICIAL", few)
    server.content = full.read_bytes()
    assert download("all", data, accepted=True) == [data / "bottle", data / "toothbrush"]
    assert len(server.seen) == 1
    for name in few:
        assert compare_with_official(name, load_samples(data / name)) == []
    (data / "toothbrush").rename(data / "away")
    assert download("all", data, accepted=True) == [data / "bottle", data / "toothbrush"]
    assert len(server.seen) == 1 and (data / "toothbrush").is_dir()


def test_address_of_the_full_archive(data, server, full):
    server.content = full.read_bytes()
    address = f"{server.url}/{full.name}"
    assert load(data, url=address) == [data / "toothbrush"]
    assert server.seen == [(f"/archive/{full.name}", 0)]


def test_archive_loaded_by_hand(data, server, full):
    before = full.read_bytes()
    assert load(data, archive=full) == [data / "toothbrush"]
    assert is_right(data, "toothbrush") and server.seen == [] and full.read_bytes() == before


@pytest.mark.parametrize("name", [BRUSH, f"{FOLDER}.tar.xz"])
def test_wrong_archive_loaded_by_hand(name, data, server, brush, tmp_path):
    archive = tmp_path / name
    archive.write_bytes(b"?" * brush.stat().st_size if name == BRUSH else b"?")
    text = refused(data, archive=archive)
    assert f"'{archive}' is not '{name}'" in text and mvtec_ad.PAGE in text
    assert archive.is_file() and tree(data) == {} and server.seen == []


# What comes out of an archive


def given(monkeypatch, tmp_path: Path, files: dict[str, bytes], extra=()) -> Path:
    """An archive of these files, which the course takes for the official one."""
    archive = write_archive(tmp_path / BRUSH, files, extra)
    monkeypatch.setattr(module, "ARCHIVES", (facts_of(archive, "https://example.com"),))
    return archive


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("toothbrush/train/good/000.png", "train/good: 59 images here, 60 in MVTec AD"),
        ("toothbrush/ground_truth/defective/007_mask.png", "29 masks here, 30 in MVTec AD"),
        ("", "has 0 images"),
    ],
)
def test_wrong_counts(name, says, data, tmp_path, monkeypatch):
    files = official_files("toothbrush")
    files = {path: files[path] for path in files if path != name} if name else {"readme.txt": b"x"}
    archive = given(monkeypatch, tmp_path, files)
    text = refused(data, archive=archive)
    assert says in text and "differs from MVTec AD" in text and tree(data) == {}


@pytest.mark.parametrize(
    "evil",
    [
        member("toothbrush/../../evil"),
        member("toothbrush/out", tarfile.SYMTYPE, linkname="../.."),
        member("toothbrush/null", tarfile.CHRTYPE, devmajor=1, devminor=3),
    ],
)
def test_the_data_filter_of_tarfile_is_in_use(evil, data, tmp_path, monkeypatch):
    archive = given(monkeypatch, tmp_path, official_files("toothbrush"), [evil])
    with pytest.raises(tarfile.FilterError):
        load(data, archive=archive)
    assert tree(data) == {} and not (tmp_path / "evil").exists()


def test_only_what_is_wanted_is_unpacked(full, tmp_path):
    module._extract(full, ["toothbrush"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["toothbrush"]


def test_leftovers_of_a_kill_while_unpacking(data, server):
    (data / ".unpacking/toothbrush/train").mkdir(parents=True)
    (data / ".unpacking/toothbrush/train/000.png").write_bytes(b"half")
    load(data)
    assert is_right(data, "toothbrush", BRUSH)


def test_leftovers_of_a_kill_at_the_very_end(data, server):
    load(data)
    (data / ".unpacking").mkdir()
    with FileLock(data / ".download.lock"):  # another download may be at work there
        load(data)
    assert (data / ".unpacking").is_dir()
    load(data)
    assert is_right(data, "toothbrush", BRUSH)


def test_official_facts():
    for archive in module.ARCHIVES:
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.url.startswith("https://www.mydrive.ch/")
        assert archive.url.endswith(f"/{archive.name}")
    assert [archive.size for archive in module.ARCHIVES] == [155_880_244, 5_264_982_680]
