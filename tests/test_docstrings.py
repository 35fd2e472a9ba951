"""What the public functions promise in words: shapes, units and errors."""

import ast
import re
from pathlib import Path

import pytest

import course_ae

PACKAGE = Path(course_ae.__file__).parent
ARRAY = re.compile(r"\b(Tensor|ndarray)\b")
SHAPE = re.compile(  # (N, H, W), (height, width, 3), (3 * N,), or a reference to another docstring
    r"\([A-Za-z\d]+(?: [*] \w+)?,(?: ?[\w*. +-]+,?)*\)|[Aa]s `[\w.]+`|of `[\w.]+`|same shape"
)
UNITS = {  # a word in a parameter's name, and the words of which one must be in the docstring
    "seconds": "second", "patience": "second|epoch", "size": "pixel|image|byte|inch",
    "width": "inch|pixel|channel", "height": "inch|pixel", "sigma": "pixel",
    "fraction": "share|fraction", "limit_bytes": "byte",
}  # fmt: skip


def public_functions():
    """(module, qualified name, node) of every function and method that has no underscore."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            inside = node.body if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.ClassDef) and node.name.startswith("_"):
                continue
            for part in [node, *inside]:
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                    owner = f"{node.name}." if part is not node else ""
                    if not (part is node and owner):
                        yield path.stem, owner + part.name, part


FUNCTIONS = {f"{module}.{name}": node for module, name, node in public_functions()}


def arrays(node):
    """The annotations of arrays that go in or come out."""
    noted = [a.annotation for a in (*node.args.args, *node.args.kwonlyargs)] + [node.returns]
    return [ast.unparse(n) for n in noted if n is not None and ARRAY.search(ast.unparse(n))]


def raises(node):
    """True if the words `raise CourseError` stand in a function."""
    found = (part.exc for part in ast.walk(node) if isinstance(part, ast.Raise) and part.exc)
    return any("CourseError" in ast.unparse(error) for error in found)


def helpers_that_raise():
    """(module, name) of private functions that raise, whose callers have to say so."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("_") and raises(node):
                yield path.stem, node.name


RAISING = set(helpers_that_raise())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_tells_shapes_units_and_errors(name):
    node = FUNCTIONS[name]
    text = ast.get_docstring(node) or ""
    assert text, "no docstring"
    if arrays(node):
        assert SHAPE.search(text), f"no shape for {arrays(node)}"
    for argument in (*node.args.args, *node.args.kwonlyargs):
        for word, units in UNITS.items():
            if word in argument.arg.split("_") and ast.unparse(argument.annotation) in (
                "int",
                "float",
            ):
                assert re.search(units, text), f"no unit for {argument.arg}"
    calls = {ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    if raises(node) or any((name.partition(".")[0], call) in RAISING for call in calls):
        assert "Raises:" in text, "no errors"


def test_the_check_sees_what_is_missing():
    node = ast.parse('def f(x: Tensor, width: float) -> Tensor:\n    """Doubles."""\n').body[0]
    assert arrays(node) == ["Tensor", "Tensor"] and not SHAPE.search(ast.get_docstring(node))
