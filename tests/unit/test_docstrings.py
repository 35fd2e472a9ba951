"""What the public functions promise in words: shapes, units and errors."""

import ast
import re
from pathlib import Path

import course_ae

PACKAGE = Path(course_ae.__file__).parent
ARRAY = re.compile(r"\b(Tensor|ndarray)\b")
SHAPE = re.compile(  # (N, H, W), (height, width, 3), (3 * N,), or a reference to another docstring
    r"\([A-Za-z\d]+(?: [*] \w+)?,(?: ?[\w*. +-]+,?)*\)|[Aa]s `[\w.]+`|of `[\w.]+`|same shape"
)
UNITS = {  # a word in a parameter's name, and the words of which one must be in the docstring
    "seconds": "second", "patience": "second|epoch", "size": "pixel|image|byte|inch",
    "width": "inch|pixel|channel|point", "height": "inch|pixel", "sigma": "pixel",
    "fraction": "share|fraction", "limit_bytes": "byte",
}  # fmt: skip


def public_functions(tree):
    """Name and node of every function and method of a module that has no underscore."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            inside = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            yield from ((f"{node.name}.{part.name}", part) for part in inside if is_public(part))
        elif isinstance(node, ast.FunctionDef) and is_public(node):
            yield node.name, node


def is_public(node):
    return not node.name.startswith("_")


def arrays(node):
    """The annotations of arrays that go in or come out."""
    noted = [a.annotation for a in (*node.args.args, *node.args.kwonlyargs)] + [node.returns]
    return [ast.unparse(n) for n in noted if n is not None and ARRAY.search(ast.unparse(n))]


def raises(node):
    """True if the words `raise CourseError` stand in a function."""
    found = (part.exc for part in ast.walk(node) if isinstance(part, ast.Raise) and part.exc)
    return any("CourseError" in ast.unparse(error) for error in found)


def helpers_that_raise(tree):
    """Private functions that raise, whose callers have to say so."""
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name for node in functions if not is_public(node) and raises(node)}


def what_is_missing(node, helpers):
    """What a function's docstring does not tell, each in a few words."""
    text = ast.get_docstring(node) or ""
    if not text:
        yield "no docstring"
        return
    if arrays(node) and not SHAPE.search(text):
        yield f"no shape for {arrays(node)}"
    for argument in (*node.args.args, *node.args.kwonlyargs):
        for word, units in UNITS.items():
            is_number = argument.annotation and ast.unparse(argument.annotation) in ("int", "float")
            if word in argument.arg.split("_") and is_number and not re.search(units, text):
                yield f"no unit for {argument.arg}"
    calls = {ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
    if (raises(node) or calls & helpers) and "Raises:" not in text:
        yield "no errors"


def short_of(source):
    """A line for each thing that the docstrings of a module lack."""
    tree = ast.parse(source)
    helpers = helpers_that_raise(tree)
    return [
        f"{name}: {words}"
        for name, node in public_functions(tree)
        for words in what_is_missing(node, helpers)
    ]


def test_docstrings_tell_shapes_units_and_errors():
    sources = {p.relative_to(PACKAGE): p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py")}
    functions = [name for text in sources.values() for name, _ in public_functions(ast.parse(text))]
    assert len(functions) > 200  # so that something was looked at
    short = [f"{path}: {line}" for path, text in sources.items() for line in short_of(text)]
    assert not short, "\n".join(sorted(short))


def test_the_check_sees_what_is_missing():
    source = '''
def doubled(x: Tensor, width: float) -> Tensor:
    """Doubles."""

def silent():
    pass

def _helper():
    raise CourseError("no")

def refuses():
    """Refuses."""
    _helper()

class Box:
    def open(self, y: np.ndarray):
        """Opens y, (N, H)."""

    def close(self, seconds: int):
        """Closes."""
'''
    assert short_of(source) == [
        "doubled: no shape for ['Tensor', 'Tensor']",
        "doubled: no unit for width",
        "silent: no docstring",
        "refuses: no errors",
        "Box.close: no unit for seconds",
    ]
