"""Formulas on pages without scripts: what becomes MathML, what stays text, and nothing else."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_ae.classroom.figures import plain
from course_ae.command import formulas, report, slides

SSIM = r"""
\text{SSIM}(x, y)
= \frac{(2\mu_x\mu_y + C_1)(2\sigma_{xy} + C_2)}{(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + C_2)}
- 0
"""
EVIL = r"<img src=x onerror=alert(1)>"


def shown(text, **cell):
    """The HTML of a Markdown cell."""
    return formulas.markdown({"cell": cell}, text)


def formulas_of(html):
    return re.findall(r"<math.*?</math>", html, re.DOTALL)


@pytest.mark.parametrize("make", [report.lesson_page, slides.slides_page])
def test_a_formula_of_its_own_and_one_in_a_sentence_become_mathml(make):
    text = f"Here is $\\hat{{x}}$:\n\n$${SSIM}$$\n\nwhere $\\mu_x$ is the mean."
    run = new_code_cell("1", outputs=[new_output("stream", text="1")])
    page = make(new_notebook(cells=[new_markdown_cell(text), run]), "01_first")
    html = page.partition("</head>")[2].partition("1</pre>")[0].partition("<script")[0]
    first, ssim, last = formulas_of(html)
    assert first.startswith("<math><mover")
    assert last == "<math><msub><mi>μ</mi><mi>x</mi></msub></math>"
    assert ssim.startswith('<math display="block"><mtext>SSIM</mtext>') and "<mfrac>" in ssim
    assert "$" not in html and "\\" not in html and "<li>" not in html and "<h2" not in html


@pytest.mark.parametrize(
    "latex",
    [r"y_{ij} = \sum_{u=0}^{k-1} \sum_{v=0}^{k-1} w_{uv} \, x_{i+u,\,j+v} + b",
     r"\theta \leftarrow \theta - \eta \, \nabla_\theta L",
     r"\left\lfloor \frac{n}{s} \right\rfloor",
     r"\hat{t} = \arg\min_t \left( \text{FP}(t) + \text{FN}(t) \right)", r"\bar{x}, \sqrt{x}, x'",
     r"\lVert x - \hat{x} \rVert_2^2 \le \varepsilon", r"x \in \mathbb{R}^{227 \times 227}",
     r"\text{AUROC} = \frac{1}{n_+ n_-} \sum_{i,j} [s_i > s_j] + \tfrac{1}{2} [s_i = s_j]",
     r"x_1, \ldots, x_n \to \left( y \right)", r"a < b > c",
     r"60\,664\,758 \approx 6 \cdot 10^7", r"100\,\%", r"w \ast x, x \odot y"],
)  # fmt: skip
def test_what_the_lessons_need_is_converted(latex):
    for display in (True, False):
        assert formulas.mathml(latex, display).endswith("</math>")
    assert len(formulas_of(shown(f"$${latex}$$\n\nand ${latex}$."))) == 2


@pytest.mark.parametrize("place", ["- a ${}$ b", "| a |\n|---|\n| ${}$ |", "> ${}$", "**a ${}$**",
                                   "- a\n\n  $${}$$", "# 01 ${}$", "(${}$), ${}$-th"])  # fmt: skip
def test_formulas_stand_in_lists_tables_quotes_and_headings(place):
    html = shown(place.replace("{}", "x_1"))
    assert len(formulas_of(html)) == place.count("{}") and "$" not in html


@pytest.mark.parametrize(
    "text",
    ["It costs $5 and $6.", "($5, $6, or $7)", "a$b.png and c$d.png", "$HOME/$USER, $HOME",
     r"\$x\$ and \$$", "5$ and 6$", "$ x $", "$$ and up", "a $x_1\n\nb$ c", "$$a\n\nb$$"],
)  # fmt: skip
def test_other_dollar_signs_stay_what_they_are(text):
    html = shown(text)
    assert "<math" not in html
    assert html.count("$") == text.count("$")


@pytest.mark.parametrize("text", ["`$x$` and `$$x$$`", "costs $5, see `a$`", "    $$x$$\n    $y$",
                                  "```\n$$\nx\n$$\n$y$\n```", "$$ up\n\n```\n$$\n```"])  # fmt: skip
def test_code_stays_code(text):
    html = shown(text)
    assert "<math" not in html and "<code>" in html
    assert html.count("$") == text.count("$")


@pytest.mark.parametrize(
    "latex",
    [r"\unknown{x}", r"\frac{1}", "{x", "x}", r"\left( x", r"a & b", r"\href{javascript:a()}{x}",
     r"\def\a{\a\a}\a", r"\newcommand{\x}{\x}\x", r"\let\a\hat\a x", r"\gdef\a{x}\a",
     r"\renewcommand\a{" + r"\hat" * 200 + "}" + r"\a" * 40 + "x",
     r"\eqref{b}", "x" * 1001,
     "{" * 50_000 + "x" + "}" * 50_000],
)  # fmt: skip
def test_what_cannot_be_converted_stays_as_its_latex(latex):
    assert formulas.mathml(latex, True) is None
    html = shown(f"See ${latex}$.\n\n$${latex}$$")
    assert "<math" not in html
    assert f"See ${latex}$.".replace("&", "&amp;") in html
    assert f"$${latex}$$".replace("&", "&amp;") in html


@pytest.mark.parametrize(
    "latex",
    [EVIL, rf"\text{{{EVIL}}}", rf"\unknown{{{EVIL}}}", f"</math>{EVIL}",
     rf"\operatorname{{{EVIL}}}", r"\text{&lt;img src=x&gt;}", r'\color{red" onload="alert(1)}x',
     r"\style{color:red}{x}",
     rf"\begin{{align}}x\tag{{{EVIL}}}\label{{a}}\end{{align}}", r'\class{x" onload="alert(1)}{x}'],
)  # fmt: skip
@pytest.mark.parametrize("dollars", ["$", "$$"])
def test_nothing_but_mathml_gets_through(latex, dollars):
    html = shown(f"a\n\n{dollars}{latex}{dollars}\n\nb")
    html = re.sub("</?p>", "", html)
    assert not formulas.FOREIGN.search(html)
    assert not re.search(r"<[^>]*(onload|onerror|href)", html)


def test_another_tag_from_the_converter_is_refused(monkeypatch):
    class Converter:
        def convert_with_local_state(self, latex, displaystyle):
            return f"<math><mtext>{latex}</mtext></math>"

    monkeypatch.setattr(formulas, "CONVERTER", Converter())
    assert formulas.mathml("x", True) == "<math><mtext>x</mtext></math>"
    for tag in (EVIL, "<meta >", "<script>", "</p>", "<!--", "<a>"):
        assert formulas.mathml(tag, True) is None


def test_a_caption_is_text_whatever_its_names_are():
    name = "a $x^2$ and $$y$$"
    outputs = [new_output("display_data", {"text/markdown": f"**Figure.** {plain(name)}"})]
    notebook = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
    page = report.lesson_page(notebook, "01_first")
    assert name in page and "<math" not in page


def test_the_rest_of_a_cell_is_as_it_was():
    picture = {"a.png": {"image/png": "aGk="}}
    html = shown("# 01 A\n\n![b](attachment:a.png) ~~c~~\n\n<b>d</b>", attachments=picture)
    assert 'src="data:image/png;base64,aGk="' in html and "<del>c</del>" in html
    assert 'class="anchor-link"' in html and "<b>d</b>" in html
