"""Loading the data set: right bytes or one clear sentence, whatever server and archive do."""

import hashlib
import io
import random
import re
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections import deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock
from PIL import Image

from course_ae import download as module
from course_ae.config import CourseError
from course_ae.data import OFFICIAL, compare_with_official, load_samples
from course_ae.download import download

FOLDER = "mvtec_anomaly_detection"
SPACE = SimpleNamespace(free=10**12)  # bytes


# Archives


def tiny_png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.frombytes("L", (16, 16), random.Random(seed).randbytes(256)).save(file, "png")
    return file.getvalue()


def official_files(category: str) -> dict[str, bytes]:
    """Name and bytes of all files of a category."""
    facts, names = OFFICIAL[category], [f"{category}/license.txt"]
    for folder, count in facts.counts.items():
        names += [f"{category}/{folder}/{i:03}.png" for i in range(count)]
    for defect, count in facts.defects.items():
        names += [f"{category}/ground_truth/{defect}/{i:03}_mask.png" for i in range(count)]
    return {name: tiny_png(i) for i, name in enumerate(names)}


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o444, **more) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    for key, value in more.items():
        setattr(info, key, value)
    return info


def write_archive(path: Path, files: dict[str, bytes], extra=(), prefix="", mode="w:xz") -> Path:
    """All of it read-only, as in MVTec AD; `extra` holds pairs of a header and its bytes."""
    folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
    more = {"preset": 0} if mode == "w:xz" else {}
    with tarfile.open(path, mode, **more) as archive:
        for name in folders:
            archive.addfile(member(f"{prefix}{Path(name).as_posix()}", tarfile.DIRTYPE, 0o555))
        for name, content in files.items():
            archive.addfile(member(prefix + name, size=len(content)), io.BytesIO(content))
        for info, content in extra:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def sum_of(content: bytes | Path) -> str:
    content = content.read_bytes() if isinstance(content, Path) else content
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="session")
def bottle(tmp_path_factory) -> Path:
    """A small `bottle.tar.xz` with the official layout and counts."""
    path = tmp_path_factory.mktemp("archives") / "bottle.tar.xz"
    return write_archive(path, official_files("bottle"))


@pytest.fixture(scope="session")
def brush(tmp_path_factory) -> Path:
    """An archive that the course does not know, of the category with the fewest files."""
    path = tmp_path_factory.mktemp("archives") / "toothbrush.tar.xz"
    return write_archive(path, official_files("toothbrush"))


@pytest.fixture(scope="session")
def full(tmp_path_factory) -> Path:
    """Two categories and a file beside them, one folder down."""
    path = tmp_path_factory.mktemp("archives") / f"{FOLDER}.tar.xz"
    files = official_files("bottle") | official_files("toothbrush") | {"license.txt": b"free"}
    return write_archive(path, files, prefix=f"./{FOLDER}/")


# A server that does as it is told


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next of `server.acts`, and properly when there is none."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.close_connection = True
        self.server.seen.append((self.path, self.begin))
        act = self.server.acts.popleft() if self.server.acts else proper
        with suppress(ConnectionError):  # the other side has heard enough, or was killed
            act(self)

    def log_message(self, *_):
        pass

    def say(self, status: int, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, content: bytes):
        """In small pieces, with a pause after each if the server is to be slow."""
        for i in range(0, len(content), 4096):
            self.wfile.write(content[i : i + 4096])
            self.server.sent += len(content[i : i + 4096])
            time.sleep(self.server.pause)


def proper(handler, stop: int | None = None, length: int = 0, shift: int = 0, **headers):
    """The right answer, or one with a fault: it breaks off, or tells a wrong length or place."""
    content, begin = handler.server.content, handler.begin
    if begin >= len(content) > 0:
        return handler.say(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
    headers["Content_Length"] = len(content) - begin + length
    if begin:
        place = f"bytes {begin + shift}-{len(content) - 1}/{len(content)}"
        handler.say(206, Content_Range=place, **headers)
    else:
        handler.say(200, **headers)
    handler.send(content[begin + shift :][:stop])


def breaks_after(count: int):
    return lambda handler: proper(handler, stop=count)


def no_ranges(handler, stop: int | None = None):
    handler.begin = 0
    proper(handler, stop)


def says(status: int, content: bytes = b"", **headers):
    def act(handler):
        handler.say(status, Content_Length=len(content), **headers)
        handler.send(content)

    return act


def unmeasured(handler, content: bytes = b""):
    """Chunked, without a length."""
    handler.say(200, Transfer_Encoding="chunked")
    for piece in (content or handler.server.content, b""):
        handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def endless(handler, **headers):
    handler.say(200, **headers)
    while True:
        handler.send(bytes(1 << 16))


def leads_to(address: str):
    return says(302, Location=address)


PAGE = says(200, b"<html>Please accept our cookies</html>", Content_Type="text/html; charset=utf-8")


@pytest.fixture
def server(monkeypatch):
    """Serves `content`; `acts` are its next faults, `seen` its requests, `sent` its bytes."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.acts, running.seen, running.sent, running.pause = deque(), [], 0, 0
    running.url = f"http://127.0.0.1:{running.server_port}/archive"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


# What a call does


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pauses, small pieces, and a disk that is large enough."""
    monkeypatch.setattr(module, "PAUSE", 0)
    monkeypatch.setattr(module, "CHUNK", 4096)
    monkeypatch.setattr(module, "TIMEOUT", (5, 5))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SPACE)


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


def refused(data: Path, *arguments, lines=1, left=(), gone=(), **options) -> str:
    """What a call says when it refuses; but for `left` and `gone` all is as before."""
    data.mkdir(exist_ok=True)
    before = tree(data.parent)
    with pytest.raises(CourseError) as caught:
        download(*(arguments or ("bottle", data)), **({"accepted": True} | options))
    after, text = tree(data.parent), str(caught.value)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {f"{data.name}/{name}" for name in (*left, *gone)}
    assert all(f"{data.name}/{name}" in after for name in left)
    assert text[-1] in (".?" if "did you mean" in text else ".") and text.count("\n") == lines - 1
    return text


def load(data: Path, server, **options) -> list[Path]:
    """Loads `toothbrush` from the server, of whose content the sum is given."""
    options = {"sha256": sum_of(server.content), "url": server.url, "accepted": True} | options
    return download("toothbrush", data, **options)


def fails(data: Path, server, **options) -> str:
    options = {"sha256": sum_of(server.content), "url": server.url} | options
    return refused(data, "toothbrush", data, **options)


def name_of(content: bytes, category: str = "toothbrush") -> str:
    """The file that an archive of this sum is loaded to."""
    return f"{category}-{sum_of(content)[:8]}.tar.xz"


def is_right(data: Path, content: bytes = b"", category: str = "toothbrush"):
    """The category is whole and can be changed, and nothing lies beside it but the archive."""
    samples = load_samples(data / category)
    assert compare_with_official(category, samples) == []
    assert sum(sample.mask_path is not None for sample in samples) == sum(
        OFFICIAL[category].defects.values()
    )
    for path in (data / category, *(data / category).rglob("*")):
        assert path.stat().st_mode & stat.S_IWUSR
    there = {path.name for path in data.iterdir()} - {".download.lock"}
    assert there == {category, *([name_of(content, category)] if content else [])}
    if content:
        assert (data / name_of(content, category)).read_bytes() == content
    return True


@pytest.fixture
def known(monkeypatch, server, bottle, full):
    """The course knows the two small archives instead of the official ones."""
    archives = [
        archive._replace(size=path.stat().st_size, sha256=sum_of(path), url=server.url)
        for archive, path in ((module.BOTTLE, bottle), (module.FULL, full))
    ]
    monkeypatch.setattr(module, "FULL", archives[1])
    monkeypatch.setattr(module, "ARCHIVES", tuple(archives))
    server.content = bottle.read_bytes()
    return archives


@pytest.fixture
def only_loads(monkeypatch):
    """Nothing is unpacked, which takes longest."""
    monkeypatch.setattr(module, "_unpack", lambda path, names, staging: None)


@pytest.fixture
def other(server, brush):
    """The server has an archive of which only the sum is known; its bytes."""
    server.content = brush.read_bytes()
    return server.content


# Arguments, licence, space, and what is there already


def test_importing_it_is_light():
    code = "import sys, course_ae.download; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("botle",), {}, "no category 'botle'; did you mean 'bottle'"),
        (("xyz",), {}, "no category 'xyz'; known are: bottle, cable"),
        (("bottle",), {"sha256": "12ab"}, "64 hex digits, not '12ab'"),
        (("bottle",), {"sha256": "g" * 64}, "64 hex digits"),
        (("bottle",), {"archive": Path("nowhere.tar")}, "no file 'nowhere.tar'"),
        (("bottle",), {"url": "http://example.com/bottle.tar.xz"}, "not allowed"),
        (("bottle",), {"url": "http://127.0.0.1.example.com/"}, "not allowed"),
        (("bottle",), {"url": "http://127.0.0.1:1@example.com/"}, "not allowed"),
        (("bottle",), {"url": r"http://example.com\@127.0.0.1/"}, "not allowed"),
        (("bottle",), {"url": "ftp://example.com/bottle.tar.xz"}, "not allowed"),
        (("bottle",), {"url": "file:///etc/passwd"}, "not allowed"),
        (("bottle",), {"url": "https://"}, "not allowed"),
        (("bottle",), {"url": "https://example.com/\nx"}, "not allowed"),
        (("bottle",), {"url": "bottle.tar.xz"}, "not allowed"),
    ],
)
def test_wrong_argument(arguments, options, says, data):
    assert says in refused(data, *arguments, data, **options)
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("host", ["localhost:80", "127.8.9.1", "[::1]:8080"])
def test_this_machine_may_speak_http(host):
    module._require_safe(f"http://{host}/archive", "http")


class Keyboard(io.StringIO):
    def __init__(self, typed: str, terminal: bool = True):
        super().__init__(typed)
        self.isatty = lambda: terminal


@pytest.mark.parametrize("stdin", [Keyboard(""), Keyboard("no\n"), Keyboard("yes\n", False), None])
def test_licence_refused(stdin, data, other, server, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", stdin)
    assert "--accept-license" in fails(data, server, accepted=False)
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().out
    assert list(data.iterdir()) == [] and server.seen == []


def test_licence_typed(data, other, server, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Keyboard(" Yes\n"))
    assert load(data, server, accepted=False) == [data / "toothbrush"]
    shown = capsys.readouterr().out
    assert module.PAGE in shown and "may be deleted" in shown and "\r" not in shown
    assert is_right(data, other)


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
    text = refused(data, "all", data)
    assert "has 1.0 GB free, and 11.1 GB are needed (5.3 GB to load, 5.8 GB for the images)" in text


def test_complete_already(data, other, server, capsys):
    load(data, server)
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
def test_there_but_different(name, says, data, other, server):
    load(data, server)
    (data / "toothbrush" / name).unlink()
    text = fails(data, server)
    assert says in text and "move it away and repeat" in text


@pytest.mark.parametrize("kind", ["file", "empty", "dead link"])
def test_something_else_is_there(kind, data, other, server):
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
    assert "is there already" in fails(data, server)
    assert server.seen == []


# Loading

FAULTS = {
    "none": [],
    "breaks off three times": [breaks_after(10_000)] * 3,
    "breaks off at once": [breaks_after(0)] * 4,
    "breaks off, then ignores ranges": [breaks_after(20_000), no_ranges],
    "breaks off, then goes on elsewhere": [breaks_after(9000), lambda h: proper(h, shift=100)],
    "length too long": [lambda h: proper(h, length=5000)],
    "no length": [unmeasured],
    "fails for a while": [says(500), says(503), says(429), says(500)],
    "leads elsewhere": [leads_to("/elsewhere")],
    "leads elsewhere five times": [leads_to(f"/{i}") for i in range(5)],
    "breaks off, then leads elsewhere": [breaks_after(9000), leads_to("/elsewhere")],
    "breaks off, then has no more": [breaks_after(9000), says(416)],
}


@pytest.mark.parametrize("acts", FAULTS.values(), ids=FAULTS)
def test_fault_of_the_server(acts, data, other, server, only_loads, capsys):
    server.acts.extend(acts)
    load(data, server)
    assert tree(data) == {name_of(other): other}
    noticed_by_sum = "wrong sum" in capsys.readouterr().out
    assert noticed_by_sum == (acts == FAULTS["breaks off, then has no more"])


@pytest.mark.parametrize("acts", FAULTS.values(), ids=FAULTS)
def test_fault_of_the_official_server(acts, data, known, server, bottle, only_loads):
    server.acts.extend(acts)
    download("bottle", data, accepted=True)
    assert tree(data) == {"bottle.tar.xz": bottle.read_bytes()}


def test_loaded_and_unpacked(data, known, server, bottle, capsys):
    server.acts.append(breaks_after(10_000))
    assert download("bottle", data, accepted=True) == [data / "bottle"]
    assert "may be deleted" in capsys.readouterr().out
    (data / "bottle.tar.xz").rename(data.parent / "loaded")
    assert is_right(data, category="bottle")
    assert (data.parent / "loaded").read_bytes() == bottle.read_bytes()


def test_too_short_a_length(data, known, server, bottle, only_loads):
    server.acts.extend([lambda h: proper(h, length=-9000)] * 3)
    download("bottle", data, accepted=True)
    assert (data / "bottle.tar.xz").read_bytes() == bottle.read_bytes()
    assert server.seen[1] == ("/archive", bottle.stat().st_size - 9000)


def test_too_short_a_length_of_an_unknown_archive(data, other, server):
    server.acts.append(lambda h: proper(h, length=-9000))
    assert "so it was deleted; repeat" in fails(data, server)
    assert tree(data) == {}


def test_what_was_loaded_is_not_loaded_again(data, other, server):
    server.acts.extend([breaks_after(20_000)] + [says(500)] * 5)
    part = f"{name_of(other)}.part"
    text = fails(data, server, lines=6, left=[part])
    assert "status 500" in text and "goes on after its 0 MB" in text
    loaded = (data / part).stat().st_size
    assert 0 < loaded <= 20_000 and other.startswith((data / part).read_bytes())
    server.seen.clear()
    load(data, server)
    assert server.seen == [("/archive", loaded)] and is_right(data, other)


@pytest.mark.parametrize("size", [10_000, 10_000_000], ids=["short", "longer than the archive"])
def test_wrong_part_is_loaded_once_more(size, data, known, server, bottle, only_loads):
    data.mkdir()
    (data / "bottle.tar.xz.part").write_bytes(b"?" * size)
    download("bottle", data, accepted=True)
    assert (data / "bottle.tar.xz").read_bytes() == bottle.read_bytes()
    assert server.seen[-1] == ("/archive", 0)


def test_whole_part_is_not_loaded_again(data, other, server):
    data.mkdir()
    (data / f"{name_of(other)}.part").write_bytes(other)
    load(data, server)
    assert server.sent == 0 and server.seen == [("/archive", len(other))]  # answered with 416
    assert is_right(data, other)


def test_whole_part_of_a_known_archive_needs_no_server(data, known, server, bottle, only_loads):
    data.mkdir()
    (data / "bottle.tar.xz.part").write_bytes(bottle.read_bytes())
    download("bottle", data, accepted=True)
    assert server.seen == [] and not (data / "bottle.tar.xz.part").exists()


def test_other_bytes(data, other, server):
    sha256 = sum_of(b"something else")
    text = fails(data, server, sha256=sha256)
    assert sum_of(other)[:12] in text and sha256[:12] in text and server.url in text
    assert tree(data) == {} and len(server.seen) == 1


def test_other_bytes_after_a_part(data, other, server):
    sha256 = sum_of(b"something else")
    data.mkdir()
    part = f"toothbrush-{sha256[:8]}.tar.xz.part"
    (data / part).write_bytes(b"?" * 100)
    assert "so it was deleted" in fails(data, server, sha256=sha256, gone=[part])
    assert tree(data) == {} and [begin for _, begin in server.seen] == [100, 0]


def test_more_bytes_than_the_archive_has(data, known, server):
    server.acts.append(endless)
    assert "so it was deleted" in refused(data)
    assert tree(data) == {} and server.sent < 10_000_000


@pytest.mark.parametrize("free", [10**12, 3_000_000])
@pytest.mark.parametrize("length", [{}, {"Content_Length": 10**12}], ids=["untold", "told"])
def test_endless_bytes_do_not_fill_the_disk(free, length, data, known, server, monkeypatch):
    monkeypatch.setattr(module, "FULL", known[1]._replace(size=1_000_000))
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    sizes = []
    monkeypatch.setattr(module, "_sum", lambda path: sizes.append(path.stat().st_size) or "0" * 64)
    server.acts.extend([lambda handler: endless(handler, **length)] * 9)
    assert "so it was deleted" in fails(data, server, sha256=sum_of(b"something else"))
    assert sizes == [min(2_000_000, free // 2)] and tree(data) == {}


DEAD = {"404": says(404), "403": says(403), "410": says(410), "304": says(304), "page": PAGE}


@pytest.mark.parametrize("act", DEAD.values(), ids=DEAD)
def test_dead_link(act, data, other, server):
    server.acts.append(act)
    text = fails(data, server, lines=6)
    assert "Load it by hand:\n1. Open https://www.mvtec.com/" in text
    assert f"2. Load '{FOLDER}.tar.xz' (5.3 GB)" in text and text.endswith("loaded so far.")
    command = f'course-ae download toothbrush --data "{data}" --archive FILE --accept-license'
    assert command in text and server.url in text
    assert len(server.seen) == 1 and tree(data) == {}


def test_link_that_dies_keeps_what_was_loaded(data, other, server):
    server.acts.extend([breaks_after(20_000), PAGE])
    part = f"{name_of(other)}.part"
    assert f"'{data / part}' is kept" in fails(data, server, lines=6, left=[part])
    assert other.startswith((data / part).read_bytes())


def test_server_that_is_down(data, other, server):
    server.acts.extend([says(500)] * 99)
    assert "status 500" in fails(data, server, lines=6)
    assert len(server.seen) == 1 + module.RETRIES and tree(data) == {}


def no_ranges_and_breaks_off(handler):
    no_ranges(handler, 8192)


def noise(handler):
    handler.wfile.write(random.Random(0).randbytes(999))


def bad_chunks(handler):
    handler.say(200, Transfer_Encoding="chunked")
    handler.send(b"many\r\n???")


def bad_length(handler):
    """More digits than Python turns into a number, then nothing."""
    handler.say(200, Content_Length="9" * 5000)


@pytest.mark.parametrize("act", [breaks_after(0), no_ranges_and_breaks_off, noise, bad_chunks])
def test_server_that_never_gets_further(act, data, other, server):
    server.acts.extend([breaks_after(8192)] + [act] * 99)
    text = fails(data, server, lines=6, left=[f"{name_of(other)}.part"])
    assert "the connection failed" in text or "it ends early" in text  # as urllib3 has it
    assert len(server.seen) == 2 + module.RETRIES


def test_odd_answers(data, other, server):
    server.acts.extend([bad_length])
    assert "so it was deleted" in fails(data, server)
    server.acts.extend([leads_to("http://[x")])
    assert "no address" in fails(data, server, lines=6)
    assert tree(data) == {}


def test_no_connection(data, other, server):
    assert "ConnectionError" in fails(data, server, lines=6, url="http://127.0.0.1:1/archive")
    assert "no address" in fails(data, server, lines=6, url="https://a..b/archive")
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
def test_redirect_that_is_refused(address, data, other, server):
    server.acts.append(leads_to(address))
    text = fails(data, server)
    assert "192.0.2.1" in text or address in text
    assert "not allowed" in text and len(server.seen) == 1 and tree(data) == {}


def test_redirects_without_end(data, other, server):
    server.acts.extend([leads_to("/archive")] * 99)
    assert "leads on and on" in fails(data, server)
    assert len(server.seen) == 6


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


def test_full_disk_keeps_what_was_loaded(data, other, server, monkeypatch):
    plain = Path.open

    def full(path, mode="r", *more):
        file = plain(path, mode, *more)
        return Full(file, 10_000) if path.suffix == ".part" and mode != "rb" else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        part = f"{name_of(other)}.part"
        text = fails(data, server, left=[part])
    assert "No space left on device" in text and "what was loaded is kept" in text
    assert load(data, server) and is_right(data, other) and server.seen[-1][1] == 8192


def test_folder_that_cannot_be_made(tmp_path, other, server):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(CourseError, match=r"file' is no folder that can be written; .*\.$"):
        load(tmp_path / "file" / "below", server)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_two_at_once(data, other, server):
    data.mkdir()
    with FileLock(data / ".download.lock"):
        assert "in use by another download" in fails(data, server)
    assert server.seen == []
    load(data, server)
    assert is_right(data, other)


def test_killed_at_any_moment(data, server, tmp_path):
    """Twenty kills at random moments of loading, checking and unpacking, then once to the end."""
    files = official_files("bottle") | {"bottle/noise": random.Random(1).randbytes(3_000_000)}
    server.content = write_archive(tmp_path / "archive.tar.xz", files).read_bytes()
    server.pause = 0.001  # seconds for each 4096 bytes
    arguments = f"{str(data)!r}), True, {server.url!r}, sha256={sum_of(server.content)!r}"
    code = "from pathlib import Path; from course_ae.download import download;"
    code += f"download('bottle', Path({arguments})"
    numbers, start = random.Random(0), 9.0  # seconds from the start to the first request, at least
    for _ in range(20):
        asked, begin = len(server.seen), time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        if (data / name_of(server.content, "bottle")).exists():
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
    assert is_right(data, server.content, "bottle")
    begins = [begin for _, begin in server.seen]
    assert begins == sorted(begins) and sum(begin > 0 for begin in begins) >= 3
    assert server.sent < 2 * len(server.content)


# Archives that are there before


def test_official_archive_is_there(data, known, server, bottle):
    data.mkdir()
    (data / "bottle.tar.xz").write_bytes(bottle.read_bytes())
    download("bottle", data, accepted=True)
    assert (
        server.seen == [] and compare_with_official("bottle", load_samples(data / "bottle")) == []
    )


def test_wrong_archive_is_there(data, known, server, bottle):
    data.mkdir()
    (data / "bottle.tar.xz").write_bytes(bottle.read_bytes()[:-1])
    text = refused(data)
    assert "bottle.tar.xz' has SHA-256" in text and known[0].sha256[:12] in text
    assert "move it away" in text and server.seen == []


def test_full_archive_is_there(data, known, server, full):
    data.mkdir()
    (data / f"{FOLDER}.tar.xz").write_bytes(full.read_bytes())
    download("bottle", data, accepted=True)
    download("toothbrush", data, accepted=True)
    assert server.seen == []
    (data / f"{FOLDER}.tar.xz").unlink()
    (data / "toothbrush").rename(data.parent / "toothbrush")
    assert is_right(data, category="bottle")


def test_all_categories(data, known, server, full, monkeypatch, capsys):
    few = {name: OFFICIAL[name] for name in ("bottle", "toothbrush")}
    monkeypatch.setattr(module, "OFFICIAL", few)
    server.content = full.read_bytes()
    assert download("all", data, accepted=True) == [data / "bottle", data / "toothbrush"]
    assert len(server.seen) == 1
    for name in few:
        assert compare_with_official(name, load_samples(data / name)) == []
    capsys.readouterr()
    (data / "toothbrush").rename(data / "away")
    assert download("all", data, accepted=True) == [data / "bottle", data / "toothbrush"]
    assert len(server.seen) == 1 and (data / "toothbrush").is_dir()


def test_address_of_the_full_archive(data, known, server, full):
    server.content = full.read_bytes()
    address = f"{server.url}/{FOLDER}.tar.xz"
    assert download("bottle", data, accepted=True, url=address) == [data / "bottle"]
    assert server.seen == [(f"/archive/{FOLDER}.tar.xz", 0)]


@pytest.mark.parametrize("given", [True, False])
def test_archive_loaded_by_hand(given, data, known, server, full):
    before = full.read_bytes()
    sha256 = sum_of(full).upper() if given else ""
    assert download("bottle", data, True, archive=full, sha256=sha256) == [data / "bottle"]
    assert is_right(data, category="bottle") and server.seen == [] and full.read_bytes() == before


def test_wrong_archive_loaded_by_hand(data, known, server, bottle):
    text = refused(data, "toothbrush", data, archive=bottle)
    assert f"'{bottle}' has SHA-256" in text and "--sha256" in text
    assert bottle.is_file() and tree(data) == {}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_other_compression(mode, data, tmp_path):
    archive = write_archive(tmp_path / "archive", official_files("toothbrush"), mode=mode)
    download("toothbrush", data, True, archive=archive, sha256=sum_of(archive))
    assert is_right(data)


# Archives that are damaged, or made to do harm


def harmful(tmp_path: Path, data: Path, extra, files=None, mode="w:xz", keep=None) -> str:
    """What is said of an archive with more in it than a category; nothing else must change."""
    files = official_files("toothbrush") if files is None else files
    archive = write_archive(tmp_path / "archive", files, extra, mode=mode)
    if keep is not None:
        archive.write_bytes(archive.read_bytes()[:keep])
    text = refused(data, "toothbrush", data, archive=archive, sha256=sum_of(archive))
    assert f"'{archive}'" in text and tree(data) == {}
    return text


LEADS_OUT, NOT_PLAIN = "leads out of the folder", "is neither a file nor a folder"
HARM = {
    "absolute name": ([(member("/toothbrush/evil"), b"evil")], LEADS_OUT),
    "parent": ([(member("toothbrush/../../evil"), b"evil")], LEADS_OUT),
    "parent that stays inside": ([(member("toothbrush/../toothbrush/evil"), b"evil")], LEADS_OUT),
    "parent beside the categories": ([(member("x/../../evil"), b"evil")], LEADS_OUT),
    "parent on Windows": ([(member(r"toothbrush\..\..\evil"), b"evil")], LEADS_OUT),
    "link out and a file through it": (
        [
            (member("toothbrush/out", tarfile.SYMTYPE, linkname="../.."), b""),
            (member("toothbrush/out/evil"), b"evil"),
        ],
        NOT_PLAIN,
    ),
    "link inside": ([(member("toothbrush/in", tarfile.SYMTYPE, linkname="train"), b"")], NOT_PLAIN),
    "hard link out": (
        [(member("toothbrush/hard", tarfile.LNKTYPE, linkname="../../mine"), b"")],
        NOT_PLAIN,
    ),
    "hard link inside": (
        [(member("toothbrush/hard", tarfile.LNKTYPE, linkname="toothbrush/license.txt"), b"")],
        NOT_PLAIN,
    ),
    "device": (
        [(member("toothbrush/null", tarfile.CHRTYPE, devmajor=1, devminor=3), b"")],
        NOT_PLAIN,
    ),
    "fifo": ([(member("toothbrush/fifo", tarfile.FIFOTYPE), b"")], NOT_PLAIN),
    "the category is a link": (
        [(member("toothbrush", tarfile.SYMTYPE, linkname=".."), b"")],
        NOT_PLAIN,
    ),
    "a bomb": ([(member("toothbrush/zeros"), bytes(30_000_000))], "grows beyond measure"),
    "a bomb beside the category": ([(member("zeros"), bytes(30_000_000))], "grows beyond measure"),
    "a bomb of empty files": (
        [(member(f"toothbrush/{i}"), b"") for i in range(4000)],
        "grows beyond measure",
    ),
    "a bomb in a name": ([(member("toothbrush/" + "x" * 30_000_000), b"")], "grows beyond measure"),
}


@pytest.mark.parametrize(("extra", "says"), HARM.values(), ids=HARM)
def test_harmful_archive(extra, says, data, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    assert says in harmful(tmp_path, data, extra)


def test_sparse_file(data, tmp_path):
    """A file that claims gigabytes of holes."""
    sparse = member("toothbrush/holes")
    facts = {"major": "0", "minor": "1", "map": "0,0", "size": str(10**12), "name": sparse.name}
    sparse.pax_headers = {f"GNU.sparse.{name}": value for name, value in facts.items()}
    assert NOT_PLAIN in harmful(tmp_path, data, [(sparse, b"")])


def test_archive_larger_than_the_disk(data, brush, monkeypatch):
    sizes = iter([10**12, 100_000])
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=next(sizes)))
    text = refused(data, "toothbrush", data, archive=brush, sha256=sum_of(brush))
    assert "grows beyond measure" in text


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_truncated_archive(mode, share, data, tmp_path):
    whole = write_archive(tmp_path / "whole", official_files("toothbrush"), mode=mode)
    harmful(tmp_path, data, [], mode=mode, keep=int(share * whole.stat().st_size))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\xfd7", b"\x1f\x8b?", b"PK\3\4" * 999])
def test_no_archive(content, data, tmp_path):
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    refused(data, "toothbrush", data, archive=archive, sha256=sum_of(content))
    assert tree(data) == {}


def test_damaged_archives(data, brush, tmp_path):
    """One byte is changed, here and there."""
    numbers, plain = random.Random(0), tmp_path / "plain"
    write_archive(plain, official_files("toothbrush"), mode="w")
    for path in (brush, plain):
        for _ in range(5):
            content = bytearray(path.read_bytes())
            content[numbers.randrange(0, 100_000 if path == plain else len(content))] ^= 255
            archive = tmp_path / "archive"
            archive.write_bytes(content)
            try:
                download("toothbrush", data, True, archive=archive, sha256=sum_of(archive))
            except CourseError as error:
                assert str(error).endswith(".") and "\n" not in str(error)
                assert tree(data) == {}
            else:  # a pixel was changed, or a time
                module.shutil.rmtree(data)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("toothbrush/train/good/000.png", "train/good: 59 images here, 60 in MVTec AD"),
        ("toothbrush/ground_truth/defective/007_mask.png", "29 masks here, 30 in MVTec AD"),
        ("", "has 0 images"),
    ],
)
def test_wrong_counts(name, says, data, tmp_path):
    files = {
        path: content for path, content in official_files("toothbrush").items() if path != name
    }
    text = harmful(tmp_path, data, [], files if name else {"readme.txt": b"none"})
    assert says in text and "holds another 'toothbrush'" in text


def test_time_that_no_clock_knows(data, tmp_path):
    late = member("toothbrush/late", mtime=1e300)
    late.pax_headers = {"mtime": "1e300"}
    archive = write_archive(tmp_path / "archive", official_files("toothbrush"), [(late, b"")])
    download("toothbrush", data, True, archive=archive, sha256=sum_of(archive))
    assert (data / "toothbrush/late").is_file()


def test_leftovers_of_a_kill_while_unpacking(data, brush):
    (data / ".unpacking/toothbrush/train").mkdir(parents=True)
    (data / ".unpacking/toothbrush/train/000.png").write_bytes(b"half")
    download("toothbrush", data, True, archive=brush, sha256=sum_of(brush))
    assert is_right(data)


def test_official_facts():
    for archive in module.ARCHIVES:
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.url.startswith("https://www.mydrive.ch/")
        assert archive.url.endswith(f"/{archive.name}")
    assert (module.BOTTLE.size, module.FULL.size) == (155_880_244, 5_264_982_680)
