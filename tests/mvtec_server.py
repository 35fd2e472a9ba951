"""Small archives in MVTec AD's layout, and a server on this machine that does as it is told."""

import hashlib
import io
import random
import stat
import tarfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from course_ae.data import load_samples
from course_ae.datasets.mvtec_ad import BOTTLE, FULL, OFFICIAL, Archive, compare_with_official

FOLDER = "mvtec_anomaly_detection"


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
    for defect_type, count in facts.defects.items():
        names += [f"{category}/ground_truth/{defect_type}/{i:03}_mask.png" for i in range(count)]
    return {name: tiny_png(i) for i, name in enumerate(names)}


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o444, **more) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, mode
    for key, value in more.items():
        setattr(info, key, value)
    return info


def write_archive(path: Path, files: dict[str, bytes], extra=(), prefix="") -> Path:
    """All of it read-only, as in MVTec AD; `extra` are headers of members without content."""
    folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name in folders:
            archive.addfile(member(f"{prefix}{Path(name).as_posix()}", tarfile.DIRTYPE, 0o555))
        for name, content in files.items():
            archive.addfile(member(prefix + name, size=len(content)), io.BytesIO(content))
        for info in extra:
            archive.addfile(info)
    return path


def sum_of(content: bytes | Path) -> str:
    content = content.read_bytes() if isinstance(content, Path) else content
    return hashlib.sha256(content).hexdigest()


def facts_of(path: Path, url: str) -> Archive:
    """What the course would know of this archive: a single category, or the full one."""
    official = FULL if path.name == FULL.name else BOTTLE
    facts = {"size": path.stat().st_size, "sha256": sum_of(path), "url": url}
    if official is BOTTLE:
        facts |= {"name": path.name, "categories": (path.name.split(".")[0],)}
    return official._replace(**facts)


def is_right(data: Path, category: str, *beside: str) -> bool:
    """The category is whole and can be changed, and nothing lies beside it but these."""
    samples = load_samples(data / category)
    assert compare_with_official(category, samples) == []
    masks = sum(sample.mask_path is not None for sample in samples)
    assert masks == sum(OFFICIAL[category].defects.values())
    for path in (data / category, *(data / category).rglob("*")):
        assert path.stat().st_mode & stat.S_IWUSR
    assert {path.name for path in data.iterdir()} - {".download.lock"} == {category, *beside}
    return True


# A server


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


@contextmanager
def serving(content: bytes) -> Iterator[ThreadingHTTPServer]:
    """Serves `content`; `acts` are its next faults, `seen` its requests, `sent` its bytes."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.content, running.acts, running.seen = content, deque(), []
    running.sent, running.pause = 0, 0
    running.url = f"http://127.0.0.1:{running.server_port}/archive"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
