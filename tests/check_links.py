"""Asks every link of the pages and lessons, and the data's addresses, whether it still answers.

    python tests/check_links.py

Ends with 1 if one is dead. A page that turns scripts away (many publishers do) is only told of.
"""

import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from course_ae.datasets.mvtec_ad import ARCHIVES, PAGE

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("*.md", "notebooks/*.md", "notebooks/*.ipynb", "docs/**/*.md", "pyproject.toml")
LINK = re.compile(r"https?://[^\s<>\"'`\\|]+")
LOCAL = re.compile(r"https?://(localhost|127\.|\[|[^/]*:(port|\d))")
TIMEOUT = (10, 30)  # seconds to connect, and to begin an answer
TRIES = 3
PAUSE = 5.0  # seconds before the second, and twice as many before the third
ALIVE_BUT_CLOSED = {401, 403, 405, 406, 418, 429, 999}  # there, but not for scripts
AGENT = {"User-Agent": "Mozilla/5.0 (course_ae link check)"}


def text_of(path: Path) -> str:
    """The prose of a page: of a notebook, its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def links(text: str) -> Iterator[str]:
    """The addresses in a text, without what follows # and the marks of the sentence around them."""
    for found in LINK.findall(text):
        address = found.partition("#")[0].rstrip(".,;:!?*_")
        while address.endswith(")") and address.count(")") > address.count("("):
            address = address[:-1].rstrip(".,;:!?*_")
        if not LOCAL.match(address):
            yield address


def places(root: Path = ROOT) -> dict[str, str]:
    """Each link of the pages and lessons, and the first place that has it."""
    found: dict[str, str] = {}
    for pattern in PLACES:
        for path in sorted(root.glob(pattern)):
            for address in links(text_of(path)):
                found.setdefault(address, str(path.relative_to(root)))
    return found


def trouble(address: str, size: int = 0) -> tuple[bool, str]:
    """Whether an address is dead, and what is odd about it, '' if nothing is.

    Args:
        address: what to ask for; no more than the beginning of the answer is loaded.
        size: how many bytes it must promise, 0 for any number.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * attempt)
        try:
            with requests.get(address, headers=AGENT, timeout=TIMEOUT, stream=True) as answer:
                status, promised = answer.status_code, answer.headers.get("Content-Length", "")
        except requests.RequestException as error:
            found = True, type(error).__name__
            continue
        if status < 400:
            wrong = bool(size) and promised != str(size)
            return wrong, f"promises {promised or 'no'} bytes instead of {size}" if wrong else ""
        if status in ALIVE_BUT_CLOSED:
            return False, f"turns scripts away ({status})"
        found = True, f"answers {status}"
        if status < 500:  # it will not change its mind
            break
    return found


def main() -> int:
    """Asks a few at a time, and prints a line for each that is odd."""
    asked = {address: (place, 0) for address, place in places().items()}
    asked[PAGE] = ("the data's page", 0)
    asked |= {one.url: (f"the data, {one.name}", one.size) for one in ARCHIVES}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda item: trouble(item[0], item[1][1]), asked.items()))
    dead = 0
    for (address, (place, _)), (is_dead, text) in zip(asked.items(), answers, strict=True):
        dead += is_dead
        if text:
            print(f"{'DEAD' if is_dead else 'odd '}  {address} in {place}: {text}")
    print(f"{len(asked)} addresses, {dead} dead.")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
