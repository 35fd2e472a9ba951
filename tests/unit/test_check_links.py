"""The script that asks the links, against a server on this machine."""

import check_links
import pytest
from check_links import links, places, trouble
from mvtec_server import serving

from course_ae.datasets.mvtec_ad import BOTTLE


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(check_links, "PAUSE", 0.0)
    with serving(b"a page") as running:
        yield running


def says(status):
    return lambda handler: handler.say(status, Content_Length=0)


def test_links_in_a_sentence():
    text = """See [a](https://a.org/x_(y)) and (https://b.org/z.), <http://c.org/?q=1&r=2#part>.
    **https://d.org**, `https://e.org/f`; not http://localhost:8888/lab, http://127.0.0.1/x."""
    assert list(links(text)) == [
        "https://a.org/x_(y)", "https://b.org/z", "http://c.org/?q=1&r=2", "https://d.org",
        "https://e.org/f",
    ]  # fmt: skip


def test_pages_lessons_and_the_home_of_the_course_are_read():
    found = places()
    assert found["https://www.mvtec.com/research-teaching/datasets/mvtec-ad"] == "README.md"
    assert any(place.endswith(".ipynb") for place in found.values())
    assert "pyproject.toml" in found.values()
    assert not [address for address in found if address[-1] in ".,;)"]


def test_a_page_that_answers(server):
    assert trouble(server.url) == (False, "")
    assert trouble(server.url, size=6) == (False, "")
    assert trouble(server.url, size=7) == (True, "promises 6 bytes instead of 7")


def test_a_missing_page_is_dead_at_once(server):
    server.acts.append(says(404))
    assert trouble(server.url) == (True, "answers 404")
    assert len(server.seen) == 1


def test_a_page_that_turns_scripts_away_is_not_dead(server):
    server.acts.append(says(403))
    assert trouble(server.url) == (False, "turns scripts away (403)")


def test_a_tired_server_is_asked_again(server):
    server.acts.extend([says(503)] * 2)
    assert trouble(server.url) == (False, "")
    server.acts.extend([says(503)] * 3)
    assert trouble(server.url) == (True, "answers 503")
    assert len(server.seen) == 6


def test_nobody_there(server, monkeypatch):
    address = server.url
    server.server_close()
    assert trouble(address) == (True, "ConnectionError")


def test_the_whole_script(server, monkeypatch, capsys):
    monkeypatch.setattr(check_links, "places", lambda: {server.url: "README.md"})
    monkeypatch.setattr(check_links, "PAGE", f"{server.url}/page")
    archive = BOTTLE._replace(url=f"{server.url}/bottle", size=6)
    monkeypatch.setattr(check_links, "ARCHIVES", (archive,))
    assert check_links.main() == 0
    assert capsys.readouterr().out == "3 addresses, 0 dead.\n"
    monkeypatch.setattr(check_links, "ARCHIVES", (archive._replace(size=7),))
    assert check_links.main() == 1
    shown = capsys.readouterr().out
    assert f"DEAD  {server.url}/bottle in the data, bottle.tar.xz: promises 6 bytes" in shown
    assert shown.endswith("3 addresses, 1 dead.\n")
