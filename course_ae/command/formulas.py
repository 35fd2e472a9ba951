r"""Markdown for pages without scripts: formulas become MathML, which browsers typeset themselves.

A formula is `$$ ... $$`, or `$ ... $` without spaces at its ends and apart from other words: prices
($5 and $6), names (a$b, $HOME/$USER) and code are none. What cannot be converted stays LaTeX.
"""

import re
from html import escape
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from math_core import LatexError, LatexToMathML
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
    MathBlockParser,
    MathInlineParser,
)

LONGEST = 1000  # characters; in a formula that nests for thousands the converter's stack overflows,
DEFINITION = re.compile(r"\\(?:(?:new|renew|provide)command|g?def|let)(?![a-zA-Z])")  # or by these
CONVERTER = LatexToMathML(fancy_error=False, max_expansions=100)
FOREIGN = re.compile(  # a tag that is not MathML's
    r"<(?!/?(?:math|menclose|mfrac|mi|mmultiscripts|mn|mo|mover|mpadded|mphantom|mprescripts|mroot"
    r"|mrow|ms|mspace|msqrt|mstyle|msub|msubsup|msup|mtable|mtd|mtext|mtr|munder|munderover)[ />])"
)
INSIDE = r"(?:\\.|[^$\\`\n]|\n(?![ \t]*\n))+?"  # no code, no empty line


def mathml(latex: str, display: bool) -> str | None:
    """A formula as MathML, which holds no other tags; None if it cannot be converted.

    Args:
        latex: what stands between the dollar signs.
        display: True for a formula on a line of its own.
    """
    if len(latex) > LONGEST or DEFINITION.search(latex):
        return None
    try:
        converted = CONVERTER.convert_with_local_state(latex, displaystyle=display)
    except LatexError:
        return None
    return None if FOREIGN.search(converted) else converted


class _Blocks(MathBlockParser):
    """Keeps formulas of several lines together, so that no line of them is taken for a list."""

    SPECIFICATION = {  # noqa: RUF012
        **MathBlockParser.SPECIFICATION,
        "multiline_math": rf"^ {{0,3}}\$\${INSIDE}\$\$",
    }


class _Inlines(MathInlineParser):
    """Finds formulas within a paragraph."""

    SPECIFICATION = {  # noqa: RUF012
        **MathInlineParser.SPECIFICATION,
        "block_math_tex": rf"(?<![\\$])\$\$(?P<math_block_tex>{INSIDE})\$\$",
        "inline_math_tex": r"(?<![^\s(\[{*_,>\"'–—-])\$(?![\s$])"  # noqa: RUF001
        rf"(?P<math_inline_tex>{INSIDE})(?<!\s)\$(?![\w$])",
    }


class _Renderer(IPythonRenderer):
    """nbconvert's, but for formulas."""

    def block_math(self, body: str) -> str:
        return mathml(body.strip(), display=True) or f"$${escape(body)}$$"

    def inline_math(self, body: str) -> str:
        return mathml(body, display=False) or f"${escape(body)}$"


@pass_context
def markdown(context: Context, source: str) -> str:
    """The filter that takes the place of nbconvert's `markdown2html`."""
    cell: dict[str, Any] = context.get("cell", {})
    renderer = _Renderer(escape=False, attachments=cell.get("attachments", {}))
    return MarkdownWithMath(renderer, _Blocks(), _Inlines(hard_wrap=False)).render(source)
