"""The lessons as a site: whole, fetching nothing, and readable on a wide screen and on a phone."""

import re
import shutil
import subprocess
import sys
from html import unescape
from urllib.parse import unquote

import pytest
from lesson_files import LESSONS, ROOT, read, tags

pytest.importorskip("myst_nb")
pytest.importorskip("sphinx_book_theme")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)  # fmt: skip
PAGES = ["index", "glossary", "bibliography", "teachers_guide", *(path.stem for path in LESSONS)]
FETCHED = re.compile(r"<(?:script|img|source|iframe|video|link)\b[^>]*?(?:src|href)=\"([^\"]*)")
OUTSIDE = re.compile(r"(?:https?:)?//")
WIDTHS = {"wide": 1400, "phone": 390}
FORMULAS = """() => [...document.querySelectorAll("article math")].map(math => {
  const box = math.getBoundingClientRect();
  return [box.width, box.height, math.closest("details:not([open])") !== null];
})"""
PROSE = "() => [...document.querySelectorAll('article p, article li')].map(e => e.innerText)"
BROKEN = (
    """() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(params=WIDTHS)
def page(request, browser):
    """A page without a network, which remembers what it asked for."""
    size = {"width": WIDTHS[request.param], "height": 844}
    context = browser.new_context(viewport=size, offline=True)
    page = context.new_page()
    page.asked = []
    page.on("request", lambda asked: page.asked.append(asked.url))
    yield page
    context.close()


def html(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_every_lesson_and_every_text_has_its_page(site):
    front = html(site, "index")
    for name in PAGES:
        assert f'href="{name}.html"' in front or name == "index", name
        assert "<h1>" in html(site, name)
    titles = re.findall(
        r'toctree-l1"><a class="reference internal" href="(\d\d)[^>]*>(\d\d) ', front
    )
    assert titles == [(path.stem[:2],) * 2 for path in LESSONS]  # numbered, in order
    assert "_images/result.png" in front


def test_there_is_an_index_to_search(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert all(f'"{name}"' in index for name in PAGES)


def test_pages_fetch_nothing_from_elsewhere(site):
    for path in site.glob("*.html"):
        fetched = FETCHED.findall(path.read_text(encoding="utf-8"))
        assert fetched and not [url for url in fetched if OUTSIDE.match(url)], path.name
    for path in site.rglob("*.css"):
        style = path.read_text(encoding="utf-8")
        urls = re.findall(r"url\(\s*[\"']?([^)\"']*)|@import\s+[\"']([^\"']*)", style)
        assert not [url for pair in urls for url in pair if OUTSIDE.match(url)], path.name


def test_links_within_the_site_lead_somewhere(site):
    ids = {
        path: set(re.findall(r'\bid="([^"]*)"', path.read_text(encoding="utf-8")))
        for path in site.glob("*.html")
    }
    for path in ids:
        for link in re.findall(r'<a\b[^>]*?href="([^"]*)"', path.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, part = unquote(unescape(link)).partition("#")
            target = path.parent / name if name else path
            assert target.exists(), f"{path.name}: {link}"
            assert not part or target.suffix != ".html" or part in ids[target], (
                f"{path.name}: {link}"
            )


def test_pictures_say_what_they_show_and_solutions_are_folded(site):
    for path in LESSONS:
        shown = html(site, path.stem)
        article = shown[shown.index("<article") : shown.index("</article>")]
        pictures = re.findall(r"<img\b[^>]*>", article)
        assert pictures and not [p for p in pictures if not re.search(r'alt="[^"]{10}', p)]
        solutions = sum("solution" in tags(cell) for cell in read(path).cells)
        assert article.count("Show the solution") == solutions > 0
        assert "<details open" not in article
        assert "importlib.util.find_spec" not in article  # the cell that installs the course


def test_formulas_are_typeset_and_no_page_scrolls_sideways(site, page):
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        formulas = page.evaluate(FORMULAS)
        source = next((path for path in LESSONS if path.stem == name), None)
        if source and "$$" in source.read_text(encoding="utf-8"):
            assert max(height for _, height, _ in formulas) > 30  # a fraction, or a sum
        assert all(folded or (w > 3 and h > 5) for w, h, folded in formulas), name
        prose = "\n".join(page.evaluate(PROSE))
        assert not re.search(r"\$\$|\\(frac|hat|sum|text|mathrm|left)\b", prose), name
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name
        page.evaluate("() => document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        assert page.evaluate(BROKEN) == []
    assert page.asked and all(url.startswith(("file:", "data:")) for url in page.asked)


def test_the_search_finds_without_the_network(site, page):
    page.goto((site / "search.html").as_uri() + "?q=autoencoder")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    found = page.eval_on_selector_all("#search-results li a", "links => links.map(a => a.href)")
    assert any("glossary.html" in url for url in found)
