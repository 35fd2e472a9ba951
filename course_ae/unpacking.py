"""Some categories out of an archive that nobody vouches for: it writes nowhere but where it may."""

import bz2
import gzip
import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

OPENERS = {b"\xfd7": lzma.open, b"\x1f\x8b": gzip.open, b"BZ": bz2.open}  # by the first two bytes
GROWTH = 20  # unpacked bytes for each of the archive; PNG files give little more than one


def extract(
    path: Path,
    names: list[str],
    folder: Path,
    progress: Callable[[int], object] = lambda done: None,
) -> None:
    """Writes the files and folders of some categories, in one pass over the archive.

    Args:
        path: a tar file, plain or compressed with xz, gzip or bzip2.
        names: the categories, folders of the archive, or of `mvtec_anomaly_detection` in it.
        folder: where they go; it exists.
        progress: told how many bytes of the archive have been read.

    Raises:
        tarfile.TarError: for an archive that is damaged, or made to do harm; others for damage in
            its compression.
        OSError: if the folder cannot be written.
    """
    whole = path.stat().st_size  # bytes
    most = min(GROWTH * whole + 1_000_000, shutil.disk_usage(folder).free)
    with (
        path.open("rb") as file,
        tarfile.open(fileobj=_Limited(file, most), mode="r|") as archive,
    ):
        for member in archive:
            target = _target(member, names)
            if target:  # without a time, for one that no clock knows would be an error
                member = member.replace(name=target, mtime=None, deep=False)
                archive.extract(member, folder, filter="data")  # writable by the owner
            progress(file.tell())


class _Limited:
    """A tar file out of its compression, with an error where it grows beyond measure."""

    def __init__(self, file: BinaryIO, most: int):
        opener = OPENERS.get(file.read(2), lambda plain: plain)
        file.seek(0)
        self.stream, self.left = opener(file), most

    def read(self, size: int) -> bytes:
        chunk = self.stream.read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise tarfile.ReadError("it grows beyond measure")
        return chunk


def _target(member: tarfile.TarInfo, names: list[str]) -> str:
    """The path from the category on, or '' where none of the categories is meant."""
    path = PurePosixPath(member.name.replace("\\", "/"))  # as Windows would read it
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.ReadError(f"{member.name!r} leads out of the folder")
    parts = path.parts[path.parts[:1] == ("mvtec_anomaly_detection",) :]
    if not parts or parts[0] not in names:
        return ""
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise tarfile.ReadError(f"{member.name!r} is neither a file nor a folder")
    return "/".join(parts)
