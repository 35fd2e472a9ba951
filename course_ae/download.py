"""Loading MVTec AD from its makers, one category or all, in as many sittings as it takes.

DIR/bottle.tar.xz.part   what has been loaded so far
DIR/bottle.tar.xz        the archive, once its SHA-256 is right
DIR/.unpacking/          images on their way to DIR/bottle
"""

import hashlib
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import requests  # brings certificates along, which Python on macOS may lack
from filelock import FileLock, Timeout
from tqdm import tqdm

from course_ae.config import CourseError, ManualStepsError, nearest
from course_ae.data import OFFICIAL, compare_with_official, load_samples
from course_ae.files import require_writable
from course_ae.unpacking import extract

PAGE = "https://www.mvtec.com/research-teaching/datasets/mvtec-ad"
LICENCE = f"""MVTec AD: (c) 2019 MVTec Software GmbH, under the licence CC BY-NC-SA 4.0, {PAGE}
It is not for commercial use. Whoever uses it cites Bergmann et al., CVPR 2019 and IJCV 2021."""


class Archive(NamedTuple):
    """An archive of categories in MVTec AD's layout."""

    name: str
    size: int  # bytes; 0 where only the sum is known
    sha256: str
    url: str
    categories: tuple[str, ...]


BOTTLE = Archive(
    "bottle.tar.xz",
    155_880_244,
    "726512129cb3b1f47d4f6cd7c7fc9170db7fc209132249c788fec06029cb5dc3",
    "https://www.mydrive.ch/shares/150452/132a93367fb17cdf968dfb5c4013f6e7/download/"
    "420937370-1629958698/bottle.tar.xz",
    ("bottle",),
)
FULL = Archive(
    "mvtec_anomaly_detection.tar.xz",
    5_264_982_680,
    "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
    "https://www.mydrive.ch/shares/150996/b52ecdcbf521176e9db9c731f2304b27/download/"
    "420938113-1629960298/mvtec_anomaly_detection.tar.xz",
    tuple(OFFICIAL),
)
ARCHIVES = (BOTTLE, FULL)  # the smaller one first

LOCAL = r"http://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?"
SAFE = re.compile(rf"(https://[^\s/?]+|{LOCAL})([/?]\S*)?", re.IGNORECASE)

CHUNK = 1 << 16  # bytes at a time
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
REDIRECTS = 5  # at most
RETRIES = 4  # in a row that bring nothing
PAUSE = 2.0  # seconds before the first of them, and as much more before each further one


class _Broken(requests.RequestException):
    """An answer that may be better the next time."""


class _Dead(requests.RequestException):
    """An answer that will stay what it is."""


def download(
    category: str,
    data: Path,
    accepted: bool = False,
    url: str = "",
    archive: Path | None = None,
    sha256: str = "",
) -> list[Path]:
    """Puts a category or all of them into `data`; what is there already stays as it is.

    Args:
        category: its name, or 'all'.
        data: the folder of the categories, made if it is missing.
        accepted: True if the licence is accepted; else it is asked for on the terminal.
        url: another address of the archive.
        archive: an archive that was loaded by hand, so that nothing is loaded.
        sha256: the sum of an archive that the course does not know, in 64 hex digits.

    Returns:
        The folders of the categories.

    Raises:
        CourseError: for a wrong argument, a licence not accepted, too little space, an archive that
            cannot be loaded or is not the right one, and files that are in the way.
    """
    _require_sensible(category, url, archive, sha256)
    names = list(OFFICIAL) if category == "all" else [category]
    data = data.expanduser().resolve()
    try:
        missing = [name for name in names if not _is_complete(data / name)]
        if missing:
            wanted = _choose(category, missing, data, url, sha256.lower())
            path = archive.expanduser().resolve() if archive else data / wanted.name
            _require_space(data, path, wanted, len(missing))
            _accept_licence(accepted)
            with _reserved(data) as staging:
                if path.is_file():
                    _require_sum(path, missing, sha256.lower())
                else:
                    _fetch(wanted, path, category)
                _unpack(path, missing, staging)
            print(f"'{path}' ({_words(_size(path))}) is no longer needed and may be deleted.")
    except OSError as error:
        raise CourseError(
            f"'{error.filename or data}' cannot be read or written ({error.strerror or error}); "
            "mend this and repeat, for what was loaded is kept."
        ) from error
    return [data / name for name in names]


def _require_sensible(category: str, url: str, archive: Path | None, sha256: str) -> None:
    if category not in (*OFFICIAL, "all"):
        known = nearest(category, [*OFFICIAL, "all"])
        raise CourseError(f"MVTec AD has no category '{category}'{known}")
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise CourseError(f"A SHA-256 has 64 hex digits, not '{sha256}'; copy it once more.")
    if url:
        _require_safe(url, "http")
    if archive and not archive.expanduser().is_file():
        raise CourseError(f"There is no file '{archive}'; give the archive that you loaded.")


def _is_complete(folder: Path) -> bool:
    """True for an official category, False for nothing at all; anything else is refused."""
    if not os.path.lexists(folder):  # a link to nothing is in the way, too
        return False
    difference = _difference(folder)
    if difference:
        raise CourseError(
            f"'{folder}' is there already and differs from MVTec AD ({difference}); move it away "
            "and repeat."
        )
    print(f"'{folder}' is complete.")
    return True


def _difference(folder: Path) -> str:
    """The first difference from the official images and masks; '' if there is none."""
    try:
        samples = load_samples(folder)
    except CourseError as error:
        return str(error).rstrip(".")
    masks = Counter(sample.defect for sample in samples if sample.mask_path)
    differences = compare_with_official(folder.name, samples) + [
        f"ground_truth/{defect}: {masks[defect]} masks here, {count} in MVTec AD"
        for defect, count in OFFICIAL[folder.name].defects.items()
        if masks[defect] != count
    ]
    return differences[0].rstrip(".") if differences else ""


def _holding(names: list[str]) -> list[Archive]:
    return [one for one in ARCHIVES if set(names) <= set(one.categories)]


def _choose(category: str, missing: list[str], data: Path, url: str, sha256: str) -> Archive:
    """The archive with the sum; without one that in `data`, that of the address, the smallest."""
    known = _holding(missing)
    if sha256:
        name = f"{category}-{sha256[:8]}.tar.xz"  # so that no other archive's part is gone on with
        unknown = known[0]._replace(name=name, size=0, sha256=sha256)
        chosen = next((one for one in known if one.sha256 == sha256), unknown)
    else:
        there = [one for one in known if _size(data / one.name) == one.size]
        named = [one for one in known if url.endswith(one.name)]
        chosen = [*there, *named, *known][0]
    return chosen._replace(url=url or chosen.url)


def _require_space(data: Path, path: Path, wanted: Archive, categories: int) -> None:
    """Refuses a disk without room for the rest of the archive and for its images.

    PNG files hardly shrink in an archive, so the images need its size, and a tenth more for the
    ends of blocks. No category has more than a fifth of the full archive.
    """
    size = _size(path) or wanted.size
    share = min(1.0, categories / 5) if size in (0, FULL.size) else 1.0
    images = 1.1 * share * (size or FULL.size)
    load = 0 if path.is_file() else max(0, (size or images) - _size(_part(path)))
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


@contextmanager
def _reserved(data: Path) -> Iterator[Path]:
    """Keeps `data` for one download; gives a folder to unpack into, not yet made."""
    staging = data / ".unpacking"
    data.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(data / ".download.lock", timeout=0):
            if staging.exists():  # the last call was killed
                shutil.rmtree(staging)
            yield staging
    except Timeout as error:
        raise CourseError(
            f"'{data}' is in use by another download; wait for its end, or choose another folder."
        ) from error


def _require_sum(path: Path, names: list[str], sha256: str) -> None:
    """Refuses a wrong archive, but leaves it, for it is the user's."""
    sums = [sha256] if sha256 else [one.sha256 for one in _holding(names)]
    found = _sum(path)
    if found not in sums:
        raise CourseError(
            f"'{path}' has {_short(found)} and not {_short(*sums)}; move it away and load it again "
            f"from {PAGE}, or give the sum of an archive from elsewhere with --sha256."
        )


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file, _bar("Checked", _size(path)) as bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _short(*sums: str) -> str:
    return "SHA-256 " + " or ".join(f"{one[:12]}..." for one in sums)


def _fetch(wanted: Archive, path: Path, category: str) -> None:
    """Loads an archive to `path`; one that was put together wrongly is loaded a second time."""
    part = _part(path)
    for is_second in (False, True):
        try:
            is_fresh = _load(wanted, part)
        except requests.RequestException as error:
            raise _by_hand(wanted, part, category, error) from error
        found = _sum(part)
        if found == wanted.sha256:
            part.replace(path)
            return
        part.unlink()
        if is_fresh or is_second:
            raise CourseError(
                f"'{wanted.url}' gave {_short(found)} and not {_short(wanted.sha256)}, so it was "
                f"deleted; repeat, or load the archive by hand from {PAGE} and add --archive FILE."
            )
        print("What was put together has a wrong sum; loading it again from the beginning.")


def _load(wanted: Archive, part: Path) -> bool:
    """Loads what the part lacks; returns True if one answer brought all of it.

    Raises:
        requests.RequestException: if the address is dead or, after some retries, brings no more.
    """
    print(f"Loading '{part.stem}' from {wanted.url}; {_words(_size(part))} are there.")
    failures, most = 0, _size(part)
    while True:
        try:
            return _load_piece(wanted, part) == 0
        except requests.RequestException as error:
            failures = 0 if _size(part) > most else failures + 1  # beginning again brings nothing
            most = max(most, _size(part))
            if isinstance(error, _Dead) or failures > RETRIES:
                raise
            print(f"{_words(_size(part))} are there, but {_reason(error)}; trying again.")
            time.sleep(PAUSE * max(1, failures))


def _load_piece(wanted: Archive, part: Path) -> int:
    """Asks once for what the part lacks; returns the byte at which the answer began.

    Raises:
        requests.RequestException: if the part is not whole after it.
    """
    begin = _size(part)
    if wanted.size and begin >= wanted.size:
        return begin
    with _ask(wanted.url, begin) as answer:
        status = answer.status_code
        if status == 416 and begin:  # no more to come; the sum tells whether it is all
            return begin
        if status >= 500 or status in (408, 429):
            raise _Broken(f"it answers with status {status}")
        if status not in (200, 206):
            raise _Dead(f"it answers with status {status}")
        if "html" in answer.headers.get("Content-Type", ""):
            raise _Dead("it gives a web page")
        if status == 200:  # all of it, whatever was asked for
            begin = 0
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            part.unlink(missing_ok=True)
            raise _Broken("it goes on at another byte")
        length = answer.headers.get("Content-Length", "")
        said = begin + int(length) if re.fullmatch(r"\d{1,18}", length) else 0
        most = wanted.size or min(2 * FULL.size, begin + shutil.disk_usage(part.parent).free // 2)
        end = wanted.size or min(said, most)
        _append(answer, part, begin, end, most)
    if _size(part) < end:
        raise _Broken("it ends early")
    return begin


def _append(answer: requests.Response, part: Path, begin: int, end: int, most: int) -> None:
    """Writes the answer to the part from byte `begin` to `end`, 0 if unknown, or to `most`."""
    with part.open("ab" if begin else "wb") as file, _bar("Loaded", end, begin) as bar:
        for chunk in answer.iter_content(CHUNK):
            bar.update(file.write(chunk[: max(0, most - file.tell())]))
            if file.tell() >= most:
                break


def _ask(url: str, begin: int) -> requests.Response:
    """The answer to a request for the bytes from `begin` on; redirects are looked at first.

    Raises:
        CourseError: for a redirect that is not safe, or too many.
    """
    headers = {"Accept-Encoding": "identity"}  # the bytes as they are, to be counted
    if begin:
        headers["Range"] = f"bytes={begin}-"
    target = url
    for _ in range(REDIRECTS + 1):
        try:
            answer = requests.get(
                target, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT
            )
            if not answer.is_redirect:
                return answer
            answer.close()
            scheme = target[: target.index(":") + 1]
            target = urljoin(target, answer.headers["Location"])
        except ValueError as error:  # of `requests`, or of what it is built on
            raise _Dead("it is or leads to what is no address") from error
        _require_safe(target, scheme)
    raise CourseError(f"'{url}' leads on and on; give another address with --url.")


def _require_safe(url: str, scheme: str) -> None:
    """Refuses all but https, and http on this machine; `scheme` is what it must begin with."""
    if not SAFE.fullmatch(url) or not url.lower().startswith(scheme.lower()):
        raise CourseError(
            f"The archive's address is or leads to {url!r}, which is not allowed; give an https "
            "address with --url."
        )


def _by_hand(wanted: Archive, part: Path, category: str, error: Exception) -> CourseError:
    official = next(one for one in ARCHIVES if one.categories == wanted.categories)
    kept = f"'{part}' is kept, and another try goes on after its {_words(_size(part))}."
    return ManualStepsError(
        f"""'{wanted.url}' does not give the archive: {_reason(error)}. Load it by hand:
1. Open {PAGE} in a browser and accept the licence.
2. Load '{official.name}' ({_words(official.size)}) to any folder.
3. Repeat with its path in place of FILE:
   course-ae download {category} --data "{part.parent}" --archive FILE --accept-license
{kept if _size(part) else "Nothing has been loaded so far."}"""
    )


def _reason(error: Exception) -> str:
    own = isinstance(error, _Broken | _Dead)
    return str(error) if own else f"the connection failed ({type(error).__name__})"


def _unpack(path: Path, names: list[str], staging: Path) -> None:
    """Moves the categories beside `staging`, each of them whole, once all of them are right."""
    try:
        _extract(path, names, staging)
        for name in names:
            difference = _difference(staging / name)
            if difference:
                raise CourseError(
                    f"'{path}' holds another '{name}' than MVTec AD ({difference}); load it again "
                    f"from {PAGE}."
                )
        for name in names:
            (staging / name).rename(staging.parent / name)
            print(f"'{staging.parent / name}' is complete.")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _extract(path: Path, names: list[str], staging: Path) -> None:
    staging.mkdir()
    try:
        with _bar("Unpacked", _size(path)) as bar:
            extract(path, names, staging, lambda done: bar.update(done - bar.n))
    except Exception as error:  # tarfile and the decompressors raise many kinds
        if getattr(error, "errno", None):  # from the disk, not from what is on it
            raise
        raise CourseError(
            f"'{path}' cannot be unpacked ({error}); load it again from {PAGE}."
        ) from error


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _size(path: Path) -> int:
    """Bytes of a file, 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0


def _words(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _bar(label: str, total: int, begin: int = 0) -> tqdm:
    """A bar that only a terminal sees, and only where there is something to wait for."""
    return tqdm(
        desc=label, total=total or None, initial=begin, unit="B", unit_scale=True,
        file=sys.stdout, disable=None, delay=1, leave=False,
    )  # fmt: skip
