"""Loading MVTec AD from its makers, one category or all, in as many sittings as it takes.

DIR/bottle.tar.xz.part   what has been loaded so far
DIR/bottle.tar.xz        the archive, once its SHA-256 is right
DIR/.unpacking/          images on their way to DIR/bottle
"""

import hashlib
import lzma
import os
import re
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

import requests  # brings certificates along, which Python on macOS may lack
from filelock import FileLock, Timeout
from tqdm import tqdm

from course_ae.datasets.mvtec_ad import ARCHIVES, LICENCE, OFFICIAL, PAGE, Archive, first_difference
from course_ae.support.errors import CourseError, ManualStepsError, nearest
from course_ae.support.files import require_writable

STAGING = ".unpacking"
TOP = "mvtec_anomaly_detection"  # the folder of all categories in an archive, where it has one

LOCAL = r"http://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?"
SAFE = re.compile(rf"(https://[^\s/?]+|{LOCAL})([/?]\S*)?", re.IGNORECASE)

CHUNK = 1 << 16  # bytes at a time
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
REDIRECTS = 5  # at most
RETRIES = 4  # in a row that bring nothing
PAUSE = 2.0  # seconds before the first of them, and as much more before each further one


class _Wrong(requests.RequestException):
    """An answer that is not the archive; a dead one will stay what it is."""

    def __init__(self, text: str, is_dead: bool = False):
        super().__init__(text)
        self.is_dead = is_dead


def download(
    category: str, data: Path, accepted: bool = False, url: str = "", archive: Path | None = None
) -> list[Path]:
    """Puts a category or all of them into `data`; what is there already stays as it is.

    Args:
        category: its name, or 'all'.
        data: the folder of the categories, made if it is missing.
        accepted: True if the licence is accepted; else it is asked for on the terminal.
        url: another address of the archive.
        archive: an archive that was loaded by hand, so that nothing is loaded.

    Returns:
        The folders of the categories.

    Raises:
        CourseError: for a wrong argument, a licence not accepted, too little space, an archive that
            cannot be loaded or is not the right one, and files that are in the way.
    """
    known = [*OFFICIAL, "all"]
    if category not in known:
        raise CourseError(f"MVTec AD has no category '{category}'{nearest(category, known)}")
    if url:
        _require_safe(url, "http")
    if archive and not archive.is_file():
        raise CourseError(f"There is no file '{archive}'; give the archive that you loaded.")
    names = list(OFFICIAL) if category == "all" else [category]
    missing = [name for name in names if not _is_complete(data / name)]
    staging = data / STAGING
    if not missing and staging.exists():  # of a call that was killed at its very end, or at work
        with suppress(CourseError), _held(data):
            shutil.rmtree(staging, ignore_errors=True)
    if missing:
        wanted = _choose(missing, data, url, archive)
        path = archive or data / wanted.name
        _require_space(data, path, wanted, len(missing))
        _accept_licence(accepted)
        with _held(data):
            if not path.is_file():
                _load(wanted, path, category)
            elif not _is_right(path, wanted):  # it is the user's, and stays
                raise CourseError(
                    f"'{path}' is not '{wanted.name}' (its SHA-256 is another); move it away and "
                    f"load it again from {PAGE}."
                )
            _unpack(path, missing, staging)
        print(f"'{path}' ({_words(_size(path))}) is no longer needed and may be deleted.")
    return [data / name for name in names]


@contextmanager
def _held(data: Path) -> Iterator[None]:
    """Keeps the folder for one download; what cannot be read or written there is one sentence."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        with FileLock(data / ".download.lock", timeout=0):
            yield
    except Timeout as error:
        raise CourseError(
            f"'{data}' is in use by another download; wait for its end, or choose another folder."
        ) from error
    except OSError as error:
        raise CourseError(
            f"'{error.filename or data}' cannot be read or written ({error.strerror or error}); "
            "mend this and repeat, for what was loaded is kept."
        ) from error


def _is_complete(folder: Path) -> bool:
    """True for an official category, False for nothing at all; anything else is refused."""
    if not os.path.lexists(folder):  # a link to nothing is in the way, too
        return False
    if difference := first_difference(folder):
        raise CourseError(
            f"'{folder}' is there already and differs from MVTec AD ({difference}); move it away "
            "and repeat."
        )
    print(f"'{folder}' is complete.")
    return True


def _choose(names: list[str], data: Path, url: str, archive: Path | None) -> Archive:
    """The archive that is there already, else the one that is named, else the smallest."""
    known = [one for one in ARCHIVES if set(names) <= set(one.categories)]
    there = [one for one in known if _size(archive or data / one.name) == one.size]
    named = [one for one in known if str(archive or url).endswith(one.name)]
    chosen = [*there, *named, *known][0]
    return chosen._replace(url=url or chosen.url)


def _require_space(data: Path, path: Path, wanted: Archive, categories: int) -> None:
    """Refuses a disk without room for the rest of the archive and for its images.

    PNG files hardly shrink in an archive, so the images need its size, and a tenth more for the
    ends of blocks. No category has more than a fifth of the full archive.
    """
    images = 1.1 * wanted.size * min(1.0, categories / min(5, len(wanted.categories)))
    load = 0 if path.is_file() else max(0, wanted.size - _size(Path(f"{path}.part")))
    free = shutil.disk_usage(require_writable(data)).free
    if load + images > free:
        raise CourseError(
            f"'{data}' has {_words(free)} free, and {_words(load + images)} are needed "
            f"({_words(load)} to load, {_words(images)} for the images); make room there, or "
            "choose another folder."
        )


def _accept_licence(accepted: bool) -> None:
    print(LICENCE)
    answer = "yes" if accepted else ""
    if not accepted and sys.stdin and sys.stdin.isatty():
        with suppress(EOFError):
            answer = input("Type yes to accept it: ")
    if answer.strip().lower() != "yes":
        raise CourseError(
            f"The licence ({PAGE}) was not accepted; repeat and type yes, or add --accept-license."
        )


def _is_right(path: Path, wanted: Archive) -> bool:
    """True if the file has the archive's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file, _bar("Checked", _size(path)) as bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest() == wanted.sha256


def _load(wanted: Archive, path: Path, category: str) -> None:
    """Loads an archive to `path`; if it is wrong with what an earlier call loaded, all of it."""
    part = Path(f"{path}.part")
    begun = _size(part) > 0
    try:
        _load_pieces(wanted, part)
    except requests.RequestException as error:
        kept = f"'{part}' is kept, and another try goes on after its {_words(_size(part))}."
        raise ManualStepsError(
            f"""'{wanted.url}' does not give the archive: {_reason(error)}. Load it by hand:
1. Open {PAGE} in a browser and accept the licence.
2. Load '{wanted.name}' ({_words(wanted.size)}) to any folder.
3. Repeat with its path in place of FILE:
   course-ae download {category} --data "{part.parent}" --archive FILE --accept-license
{kept if _size(part) else "Nothing has been loaded so far."}"""
        ) from error
    if _is_right(part, wanted):
        part.replace(path)
        return
    part.unlink()
    if not begun:
        raise CourseError(
            f"'{wanted.url}' gave a file that is not '{wanted.name}' (its SHA-256 is another), so "
            f"it was deleted; repeat, or load it by hand from {PAGE} and add --archive FILE."
        )
    print("What was put together has a wrong SHA-256; loading it again from the beginning.")
    _load(wanted, path, category)


def _load_pieces(wanted: Archive, part: Path) -> None:
    """Loads what the part lacks, with one request after the other while they bring something."""
    print(f"Loading '{wanted.name}' from {wanted.url}; {_words(_size(part))} are there.")
    failures, most = 0, _size(part)
    while _size(part) < wanted.size:
        try:
            _load_piece(wanted, part)
        except requests.RequestException as error:
            failures = 0 if _size(part) > most else failures + 1  # beginning again brings nothing
            most = max(most, _size(part))
            if getattr(error, "is_dead", False) or failures > RETRIES:
                raise
            print(f"{_words(_size(part))} are there, but {_reason(error)}; trying again.")
            time.sleep(PAUSE * max(1, failures))


def _load_piece(wanted: Archive, part: Path) -> None:
    """Asks once for what the part lacks, and adds it; an error if that is not all of it."""
    with _ask(wanted.url, _size(part)) as answer:
        begin = _first_byte(answer, wanted, part)
        with part.open("ab" if begin else "wb") as file, _bar("Loaded", wanted.size, begin) as bar:
            for chunk in answer.iter_content(CHUNK):
                bar.update(file.write(chunk))
                if file.tell() >= wanted.size:
                    return
    raise _Wrong("it ends early")


def _first_byte(answer: requests.Response, wanted: Archive, part: Path) -> int:
    """The byte with which an answer begins: the one asked for, or 0; an error for other answers."""
    status, headers, begin = answer.status_code, answer.headers, _size(part)
    if status in (200, 206) and "html" in headers.get("Content-Type", ""):
        raise _Wrong("it gives a web page", is_dead=True)
    if status == 200:
        if headers.get("Content-Length", str(wanted.size)) != str(wanted.size):
            raise _Wrong("it gives a file of another size", is_dead=True)
        return 0
    if status == 206 and headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
        return begin
    if status in (206, 416):  # it has no such bytes, or gives others
        part.unlink(missing_ok=True)
    is_dead = status < 500 and status not in (206, 408, 416, 429)
    raise _Wrong(f"it answers with status {status}", is_dead)


def _ask(url: str, begin: int) -> requests.Response:
    """The answer to a request for the bytes from `begin` on; redirects are looked at first."""
    headers = {"Accept-Encoding": "identity"}  # the bytes as they are, to be counted
    if begin:
        headers["Range"] = f"bytes={begin}-"
    scheme, target = url[: url.index(":") + 1], url
    for _ in range(REDIRECTS + 1):
        try:
            answer = requests.get(
                target, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT
            )
            if not answer.is_redirect:
                return answer
            answer.close()
            target = urljoin(target, answer.headers["Location"])
        except ValueError as error:  # of `requests`, or of what it is built on
            raise _Wrong("it is or leads to what is no address", is_dead=True) from error
        _require_safe(target, scheme)
    raise CourseError(f"'{url}' leads on and on; give another address with --url.")


def _require_safe(url: str, scheme: str) -> None:
    """Refuses all but https, and http on this machine; `scheme` is what it must begin with."""
    if not SAFE.fullmatch(url) or not url.lower().startswith(scheme.lower()):
        raise CourseError(
            f"The archive's address is or leads to {url!r}, which is not allowed; give an https "
            "address with --url."
        )


def _reason(error: Exception) -> str:
    is_ours = isinstance(error, _Wrong)
    return str(error) if is_ours else f"the connection failed ({type(error).__name__})"


def _unpack(path: Path, names: list[str], staging: Path) -> None:
    """Moves the categories beside `staging`, each of them whole, once all of them are right."""
    shutil.rmtree(staging, ignore_errors=True)  # of a call that was killed
    staging.mkdir()
    try:
        _extract(path, names, staging)
        for name in names:
            if difference := first_difference(staging / name):
                raise CourseError(
                    f"What came out of '{path}' differs from MVTec AD ({difference}); repeat, and "
                    "choose another disk if it is so again."
                )
        for name in names:
            (staging / name).rename(staging.parent / name)
            print(f"'{staging.parent / name}' is complete.")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _extract(path: Path, names: list[str], folder: Path) -> None:
    """Writes the files of some categories, in one pass over the archive."""
    with (
        path.open("rb") as file,
        lzma.open(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
        _bar("Unpacked", _size(path)) as bar,
    ):
        for member in archive:
            parts = PurePosixPath(member.name).parts
            inside = parts[parts[:1] == (TOP,) :]
            if inside and inside[0] in names:
                member = member.replace(name="/".join(inside), deep=False)
                archive.extract(member, folder, filter="data")  # which lets the owner write
            bar.update(file.tell() - bar.n)


def _size(path: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0


def _words(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _bar(label: str, total: int, begin: int = 0) -> tqdm:
    """A bar that only a terminal sees, and only where there is something to wait for."""
    return tqdm(
        desc=label, total=total, initial=begin, unit="B", unit_scale=True,
        file=sys.stdout, disable=None, delay=1, leave=False,
    )  # fmt: skip
