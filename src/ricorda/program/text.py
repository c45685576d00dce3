"""A cell from a text that somebody typed or sent: nothing of it is run that is not in the language of cells.

The text is what stands in a user's file: imports, and one function, decorated or not. It is read as Python's syntax, of
which a small part is allowed: assignments, arithmetic, calls of the language's functions, `if` on options, and short
loops. There is no attribute, no import that imports, no name with an underscore in front, and no value that could grow:
numbers are floats wherever they are computed with, texts and tuples are only handed to functions. What is left is run
as it stands, so it means the same as in a file.
"""

from __future__ import annotations

import ast
import linecache
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ricorda.errors import CellError
from ricorda.program import functions, symbols
from ricorda.program.cell import Cell, cell
from ricorda.program.symbols import TAPE

NAME = "equations"
"""What stands for the file in messages: `cell mgu (equations, line 3)`."""

LONGEST = 6_000
"""Characters of a text."""

MOST_ROUNDS = 64
"""Of all loops of a cell together."""

MOST_LINES = 2_000
"""Operations of a cell."""

LANGUAGE: Mapping[str, Callable[..., Any]] = {
    name: value
    for module in (symbols, functions)
    for name, value in vars(module).items()
    if callable(value) and not isinstance(value, type) and not name.startswith("_") and name not in ("apply", "count")
    if getattr(value, "__module__", "") == module.__name__ and name != "projection"
}
"""The functions that a text may call, with `range` and `abs`."""

_NUMBERS = {"inf": math.inf, "e": math.e, "pi": math.pi}
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.MatMult)
_TESTS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ADVICE = "a cell is assignments, arithmetic, and calls of ricorda's functions such as tanh and affine"


def read_cell(text: str) -> Cell:
    """The cell of a text, traced.

    Raises
    ------
    CellError
        If the text is no cell, or its equations are invalid. Its `line` is the line of the text, from 1.
    """
    if len(text) > LONGEST:
        raise CellError(f"the text has {len(text):,} characters, and a cell's may have {LONGEST:,}: shorten it")
    try:
        tree, name = _checked(text)
        code = compile(tree, NAME, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = min(error.lineno or 1, text.count("\n") + 1)
        quoted = (text.splitlines() or [""])[line - 1].strip()
        raise CellError(f"{NAME}, line {line}: `{quoted}`: {error.msg}", line=line) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise CellError(f"the text cannot be read ({error}): write one function, `def my_cell(x, h):`") from None
    # Messages quote the text's own lines, which Python looks for here.
    linecache.cache[NAME] = (len(text), None, text.splitlines(keepends=True), NAME)
    try:
        names = {"__builtins__": {}, "__name__": NAME, "_float": float, "abs": abs, "cell": cell, "range": _Rounds()}
        names |= LANGUAGE
        try:
            exec(code, names)
        except Exception as error:  # The decorator was told something that it does not know.
            raise CellError(f"{NAME}: {error}", line=1) from None
        made: Any = names[name]
        result = made if isinstance(made, Cell) else Cell(made)
        lines = len(result.program.values)  # It is traced here, while the text's lines can be quoted.
    finally:
        linecache.cache.pop(NAME, None)
    if lines > MOST_LINES:
        raise CellError(f"cell {result.name} has {lines:,} operations, and a text's may have {MOST_LINES:,}")
    return result


class _Rounds:
    """`range`, for so many rounds together that a text cannot keep anybody waiting."""

    def __init__(self) -> None:
        self.left, self.tape = MOST_ROUNDS, TAPE.get()

    def __call__(self, *bounds: int) -> Iterator[int]:
        """The numbers of a loop."""
        if self.tape is not TAPE.get():  # The cell is traced once more, with other options.
            self.left, self.tape = MOST_ROUNDS, TAPE.get()
        for number in range(*bounds):
            self.left -= 1
            if self.left < 0:
                raise CellError(f"its loops have more than {MOST_ROUNDS} rounds together: take fewer")
            yield number


def _checked(text: str) -> tuple[ast.Module, str]:
    """The text's function alone, with what is left out of it or replaced, and the function's name."""
    tree = ast.parse(text)
    constants: dict[str, float] = {}
    defined = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            constants |= _imported(node)
        elif isinstance(node, ast.FunctionDef):
            defined.append(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            raise _refused(node, "only imports and one function stand at the left margin")
    if len(defined) != 1:
        raise _refused(
            defined[1] if defined else None,
            f"there are {len(defined)} functions: write one, as `def my_cell(x, h):`, which returns its new states",
        )
    function = defined[0]
    tree.body = [_Reader(function, constants).read()]
    return ast.fix_missing_locations(tree), function.name


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, float]:
    """The constants that an import names; that of the language's functions is not needed, and harmless."""
    module = getattr(node, "module", None)
    if isinstance(node, ast.Import) and [(alias.name, alias.asname) for alias in node.names] == [("math", None)]:
        return {}
    if module == "math" and all(alias.name in _NUMBERS for alias in node.names):
        return {alias.asname or alias.name: _NUMBERS[alias.name] for alias in node.names}
    known = {*LANGUAGE, "cell"}
    if module == "ricorda" and all(alias.name in known and alias.asname is None for alias in node.names):
        return {}
    raise _refused(node, "nothing else can be imported: ricorda's functions are known without an import")


def _refused(node: ast.AST | None, why: str) -> SyntaxError:
    error = SyntaxError(why)
    error.lineno = getattr(node, "lineno", 1)
    return error


class _Reader:
    """Reads a function: refuses what is not in the language, and makes floats of numbers that are computed with."""

    def __init__(self, function: ast.FunctionDef, constants: Mapping[str, float]) -> None:
        self.function = function
        self.constants = constants
        self.given = {argument.arg for argument in function.args.kwonlyargs}
        self.given |= {one.target.id for one in _all(function, ast.For) if isinstance(one.target, ast.Name)}
        """Options and loops' variables, which may be whole numbers or texts: nothing else may be bound to them."""
        self.tuples, self.dicts, self.texts = set[str](), set[str](), set[str]()
        """Variables that are tuples, mappings, texts."""
        for assignment in _all(function, ast.Assign):
            names = {target.id for target in assignment.targets if isinstance(target, ast.Name)}
            for kind, known in ((ast.Tuple, self.tuples), (ast.Dict, self.dicts), (ast.JoinedStr, self.texts)):
                if _has(assignment.value, kind):
                    known |= names

    def read(self) -> ast.FunctionDef:
        """The function, checked."""
        function, arguments = self.function, self.function.args
        others = (arguments.vararg, arguments.kwarg, arguments.posonlyargs, arguments.defaults)
        if any(others) or getattr(function, "type_params", None):
            raise _refused(function, "its arguments are the input and the states, then options behind a `*`")
        for argument in [*arguments.args, *arguments.kwonlyargs]:
            self._name(argument, argument.arg)
            argument.annotation = None
        self._name(function, function.name)
        function.returns = None
        arguments.kw_defaults = [None if one is None else self._handed(one) for one in arguments.kw_defaults]
        function.decorator_list = [self._decorator(one) for one in function.decorator_list]
        function.body = [self._statement(one, first=place == 0) for place, one in enumerate(function.body)]
        return function

    def _decorator(self, node: ast.expr) -> ast.expr:
        called = node.func if isinstance(node, ast.Call) else node
        if not isinstance(called, ast.Name) or called.id != "cell" or (isinstance(node, ast.Call) and node.args):
            raise _refused(node, "the decorator of a cell is @cell, or @cell(name=value)")
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            self._keyword(keyword)
        return node

    def _statement(self, node: ast.stmt, *, first: bool = False) -> ast.stmt:
        match node:
            case ast.Expr(value=ast.Constant(value=str())) if first:
                pass
            case ast.Assign():
                for target in node.targets:
                    self._target(target)
                node.value = self._handed(node.value, computed=True)
            case ast.AugAssign() if isinstance(node.op, _ARITHMETIC):
                self._target(node.target)
                node.value = self._value(node.value)
            case ast.Return() if node.value is not None:
                node.value = self._handed(node.value, computed=True)
            case ast.If():
                node.test = self._test(node.test)
                node.body, node.orelse = ([self._statement(one) for one in part] for part in (node.body, node.orelse))
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range")) as rounds, orelse=[]) if (
                not rounds.keywords
            ):
                self._name(node.target, name)
                rounds.args = [self._handed(one) for one in rounds.args]
                node.body = [self._statement(one) for one in node.body]
            case _:
                raise _refused(node, _ADVICE)
        return node

    def _target(self, node: ast.expr) -> None:
        names = node.elts if isinstance(node, ast.Tuple) else [node]
        for name in names:
            if not isinstance(name, ast.Name):
                raise _refused(node, "values are bound to names alone")
            self._name(name, name.id)
            if name.id in self.given:
                raise _refused(node, f"{name.id} is an option or counts a loop: take another name")

    def _name(self, node: ast.AST, name: str) -> None:
        if name.startswith("_"):
            raise _refused(node, f"the name {name} begins with an underscore: take another")

    def _handed(self, node: ast.expr, *, computed: bool = False) -> ast.expr:
        """What is handed on as it is: numbers, texts, options, tuples and mappings; or a value that is computed."""
        if not computed and self._is_static(node):
            return node
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr():
                return self._text(node)
            case ast.Name() if node.id in self.dicts | self.texts and not computed:
                return node
            case ast.Tuple():
                node.elts = [self._element(one, computed) for one in node.elts]
                return node
            case ast.IfExp(body=ast.Tuple(), orelse=ast.Tuple()):
                node.test = self._test(node.test)
                node.body, node.orelse = (
                    self._handed(node.body, computed=True),
                    self._handed(node.orelse, computed=True),
                )
                return node
            case ast.Dict() | ast.BinOp(op=ast.BitOr()):
                return self._mapping(node)
        return self._value(node)

    def _is_static(self, node: ast.expr) -> bool:
        """Whether a value is a constant, an option or a loop's variable, or a sum of such, which may be whole."""
        match node:
            case ast.Constant(value=int() | float() | None):
                return True
            case ast.Name():
                return node.id in self.given
            case ast.UnaryOp(op=ast.USub()):
                return self._is_static(node.operand)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._is_static(node.left) and self._is_static(node.right)
        return False

    def _text(self, node: ast.expr) -> ast.expr:
        """A text, with options in it or without."""
        for part in node.values if isinstance(node, ast.JoinedStr) else ():
            if isinstance(part, ast.FormattedValue) and not (
                part.conversion == -1 and part.format_spec is None and self._is_static(part.value)
            ):
                raise _refused(node, 'the brackets of a text hold options and what counts a loop, as f"h{layer}"')
        return node

    def _element(self, node: ast.expr, computed: bool) -> ast.expr:
        """A tuple's: no tuple of values that are computed has a tuple in it."""
        return self._value(node) if computed else self._handed(node)

    def _mapping(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            node.left, node.right = self._mapping(node.left), self._mapping(node.right)
        elif isinstance(node, ast.Dict):
            if not all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys):
                raise _refused(node, "the keys of a mapping are texts in quotes")
            for value in node.values:
                if isinstance(value, ast.Name) and value.id in self.dicts:
                    raise _refused(node, "a mapping has no other mapping in it by its name")
            node.values = [self._handed(value) for value in node.values]
        elif not (isinstance(node, ast.Name) and node.id in self.dicts):
            raise _refused(node, "| joins two mappings")
        return node

    def _keyword(self, node: ast.keyword) -> None:
        if node.arg is None:
            raise _refused(node.value, "arguments are given by their names, without **")
        node.value = self._handed(node.value)

    def _test(self, node: ast.expr) -> ast.expr:
        """A question about options and loops' variables."""
        match node:
            case ast.Name():
                return node if node.id in self.given else self._value(node)
            case ast.Compare() if all(isinstance(op, _TESTS) for op in node.ops):
                node.left, *node.comparators = (
                    one if isinstance(one, ast.Constant) else self._test(one) for one in (node.left, *node.comparators)
                )
                return node
            case ast.BoolOp():
                node.values = [self._test(one) for one in node.values]
                return node
            case ast.UnaryOp(op=ast.Not()):
                node.operand = self._test(node.operand)
                return node
        return self._value(node)

    def _value(self, node: ast.expr) -> ast.expr:
        """A value that is computed: no whole number, text, tuple or mapping, which could grow."""
        match node:
            case ast.Constant(value=bool() | str() | bytes() | None):
                raise _refused(node, f"{node.value!r} is no number to compute with")
            case ast.Constant(value=int() | float()):
                return ast.copy_location(ast.Constant(_float(node)), node)
            case ast.Constant(value=complex()):
                return node  # The language says what is wrong with it.
            case ast.Attribute(value=ast.Name(id="math"), attr=name) if name in _NUMBERS:
                return ast.copy_location(ast.Constant(_NUMBERS[name]), node)
            case ast.Attribute():
                raise _refused(node, f"there are no attributes such as .{node.attr}: {_ADVICE}")
            case ast.Name():
                return self._variable(node)
            case ast.BinOp() if isinstance(node.op, _ARITHMETIC):
                node.left, node.right = self._value(node.left), self._value(node.right)
                return node
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                node.operand = self._value(node.operand)
                return node
            case ast.Compare() if all(isinstance(op, _TESTS) for op in node.ops):
                node.left, *node.comparators = (self._value(one) for one in (node.left, *node.comparators))
                return node
            case ast.IfExp():
                node.test = self._test(node.test)
                node.body, node.orelse = self._value(node.body), self._value(node.orelse)
                return node
            case ast.Call():
                return self._call(node)
        raise _refused(node, _ADVICE)

    def _variable(self, node: ast.Name) -> ast.expr:
        self._name(node, node.id)
        if node.id in self.constants:
            return ast.copy_location(ast.Constant(self.constants[node.id]), node)
        if node.id in self.tuples | self.dicts | self.texts:
            raise _refused(node, f"{node.id} is no value to compute with: hand it to a function, a tuple as *{node.id}")
        if node.id in self.given:
            number = ast.Name("_float", ast.Load())
            return ast.copy_location(ast.Call(ast.copy_location(number, node), [node], []), node)
        return node

    def _call(self, node: ast.Call) -> ast.expr:
        if not isinstance(node.func, ast.Name):
            self._value(node.func)  # An attribute is refused in its own words.
            raise _refused(node, _ADVICE)
        if node.func.id not in {*LANGUAGE, "abs"}:
            raise _refused(node, f"there is no function {node.func.id}: {_ADVICE}")
        node.args = [self._argument(one) for one in node.args]
        for keyword in node.keywords:
            self._keyword(keyword)
        return node

    def _argument(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            if not (isinstance(node.value, ast.Name) and node.value.id in self.tuples):
                raise _refused(node, "behind * stands the name of a tuple")
            return node
        return self._handed(node)


def _float(node: ast.Constant) -> float:
    try:
        return float(node.value)  # type: ignore[arg-type]
    except OverflowError:
        raise _refused(node, "a cell's numbers are finite, and this one is too large") from None


def _all(function: ast.FunctionDef, kind: type[Any]) -> Iterator[Any]:
    return (node for node in ast.walk(function) if isinstance(node, kind))


def _has(node: ast.expr, kind: type[ast.AST]) -> bool:
    """Whether a value is of a kind, wherever it is chosen or joined; what functions are handed does not count."""
    match node:
        case ast.IfExp():
            return _has(node.body, kind) or _has(node.orelse, kind)
        case ast.BinOp(op=ast.BitOr()):
            return _has(node.left, kind) or _has(node.right, kind)
        case ast.Constant(value=str()):
            return kind is ast.JoinedStr
    return isinstance(node, kind)
