"""Glossary and bibliography are in step with the lessons."""

import re

import pytest
from lesson_files import LESSONS, read

from course_ae.command import notebooks

FOLDER = notebooks.lessons_folder()
GLOSSARY, BIBLIOGRAPHY = ((FOLDER / name).read_text(encoding="utf-8") for name in notebooks.PAGES)
TERMS = re.findall(r"^### (.+)\n\n(.+)$", GLOSSARY, re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def anchors(text):
    """The headings as one links to them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", [GLOSSARY, BIBLIOGRAPHY], ids=notebooks.PAGES)
def test_links_resolve(text):
    found = LINK.findall(text)
    assert found
    for target, _ in found:
        assert (FOLDER / target).is_file(), target


def test_links_of_the_lessons_to_both_pages_resolve():
    pages = dict(zip(notebooks.PAGES, (GLOSSARY, BIBLIOGRAPHY), strict=True))
    for path in LESSONS:
        for target, anchor in LINK.findall("\n".join(cell.source for cell in read(path).cells)):
            if target in pages and anchor:
                assert anchor in anchors(pages[target]), (path.name, anchor)


def test_the_terms_are_in_order_each_with_a_lesson_and_in_a_few_plain_sentences():
    names = [name for name, _ in TERMS]
    assert len(names) == len(re.findall("^###", GLOSSARY, re.MULTILINE)) >= 40
    assert names == sorted(names, key=str.casefold)
    linked = set()
    for name, text in TERMS:
        words, _, places = text.rpartition(" Lesson")
        assert 2 <= len(re.findall(r"[.?](?: |$)", words)) <= 3, name
        assert len(words.split()) <= 75 and "$" not in words, name
        found = re.findall(r"\[(\d\d)\]\((\d\d)_\w+\.ipynb\)", places)
        assert 1 <= len(found) <= 2 and all(one == other for one, other in found), name
        linked |= {number for number, _ in found}
    assert linked == {path.name[:2] for path in LESSONS}


def test_each_work_has_authors_a_year_a_link_and_a_sentence_on_what_is_in_it():
    links = []
    for section in BIBLIOGRAPHY.split("\n## ")[1:]:
        years = []
        for work in re.findall(r"^- (.+)$", section, re.MULTILINE):
            if "University of Ferrara" in work:  # the slides are not on the net
                continue
            form = r"(.{6,}?), \[(.{10,}?)\]\((\S+?)\),? (.+?)(?: \(.+?\))?\. (.+)\."
            found = re.fullmatch(form, work.replace(", free at [d2l.ai](https://d2l.ai/)", ""))
            assert found, work
            _, _, link, venue, _ = found.groups()
            assert re.match(r"https://(doi\.org/10\.\d+/|arxiv\.org/abs/\d{4}\.\d{4,5}$)", link), (
                work
            )
            links.append(link)
            years.append(int(re.findall(r"\b((?:19|20)\d\d)\b", venue)[-1]))
        assert years == sorted(years), section
    assert len(links) == len(set(links)) >= 20
