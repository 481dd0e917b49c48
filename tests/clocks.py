"""Finds assertions whose value comes from a clock: read from the source, nothing is run.

Whatever a clock says, and whatever is computed from that, is *tainted*: values, the functions that
return such values, the containers that functions fill with them. Where in doubt, a name is tainted.
"""

import ast
import doctest
import re
from collections.abc import Iterable, Iterator, Sequence, Set

CLOCKS = {"perf_counter", "process_time", "thread_time", "monotonic", "clock_gettime", "timeit"}
CLOCKS |= {f"{name}_ns" for name in CLOCKS} | {"default_timer", "time_ns", "getrusage"}


def asserted(sources: Sequence[str]) -> list[int]:
    """The numbers, from 1, of the cells that assert what a clock says."""
    found = []
    taint = _with_functions(_parsed(sources))
    for number, tree in enumerate(_parsed(sources), 1):
        taint.found = []
        taint.run(tree.body)
        if taint.found:
            found.append(number)
    return found


def printed(sources: Sequence[str]) -> set[int]:
    """The numbers, from 1, of the cells that print what a clock says."""
    found = set()
    taint = _with_functions(_parsed(sources))
    for number, tree in enumerate(_parsed(sources), 1):
        taint.printed = False
        taint.run(tree.body)
        if taint.printed:
            found.add(number)
    return found


def lines(source: str) -> list[int]:
    """The lines of a module that assert what a clock says, its doctests' lines among them."""
    tree = ast.parse(source)
    taint = _with_functions([tree])
    taint.run(tree.body)
    return sorted({*taint.found, *_doctests(source)})


def _doctests(source: str) -> Iterator[int]:
    """Examples that compare what a clock says with the text below them."""
    taint = Taint()
    for example in doctest.DocTestParser().get_examples(source):
        tree = ast.parse(example.source)
        if example.want and any(taint.is_tainted(statement) for statement in tree.body):
            yield example.lineno + 1
        taint.run(tree.body)


def _parsed(sources: Sequence[str]) -> list[ast.Module]:
    """The cells, without Jupyter's commands."""
    return [ast.parse(re.sub(r"^[%!].*", "", source, flags=re.MULTILINE)) for source in sources]


def _with_functions(trees: Iterable[ast.Module]) -> "Taint":
    """What is known of the functions alone: one may call another that is defined below it."""
    taint = Taint()
    for tree in trees:
        taint.run(tree.body)
    taint.names &= taint.effects.keys()
    taint.found = []
    return taint


def _names(target: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}


class Taint:
    """What is known of the names of a notebook or a module, statement by statement."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.effects: dict[str, set[str]] = {}  # by function: the names outside that it taints
        self.modules: set[str] = set()  # nothing that is done to a module's names taints it
        self.found: list[int] = []
        self.printed = False  # whether a tainted value was printed
        self.returns = False  # whether a tainted value was returned
        self._depth = 0  # how many tests around the statement come from a clock

    def is_tainted(self, node: ast.AST | None, own: Set[str] = frozenset()) -> bool:
        """Whether an expression, or a part of it, is from a clock; `own` are names of its own."""
        if node is None:
            return False
        if isinstance(node, ast.Lambda):
            own = own | {argument.arg for argument in node.args.args}
        for loop in getattr(node, "generators", ()):  # of a comprehension
            if self.is_tainted(loop.iter, own):
                return True
            own = own | _names(loop.target)
        if self._is_clock(node, own):
            return True
        return any(self.is_tainted(part, own) for part in ast.iter_child_nodes(node))

    def _is_clock(self, node: ast.AST, own: Set[str]) -> bool:
        if isinstance(node, ast.Name):
            return node.id not in own and (node.id in self.names or node.id in CLOCKS)
        if isinstance(node, ast.Attribute):
            whole = isinstance(node.value, ast.Name) and (node.value.id, node.attr)
            return node.attr in CLOCKS or whole == ("time", "time")
        return False

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Follow the statements in their order."""
        for statement in statements:
            getattr(self, f"_{type(statement).__name__.lower()}", self._other)(statement)

    # ---- Statements

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.modules |= {(name.asname or name.name).split(".")[0] for name in node.names}

    _importfrom = _import

    def _assert(self, node: ast.Assert) -> None:
        self._calls(node)
        if self._depth or self.is_tainted(node.test):
            self.found.append(node.lineno)

    def _raise(self, node: ast.Raise) -> None:
        if self._depth or self.is_tainted(node.exc):
            self.found.append(node.lineno)

    def _return(self, node: ast.Return) -> None:
        self._calls(node)
        self.returns |= bool(self._depth) or self.is_tainted(node.value)

    def _assign(self, node: ast.Assign) -> None:
        self._calls(node)
        for target in node.targets:
            self._bind(target, node.value)

    def _annassign(self, node: ast.AnnAssign) -> None:
        self._calls(node)
        if node.value:
            self._bind(node.target, node.value)

    def _augassign(self, node: ast.AugAssign) -> None:
        self._calls(node)
        if self._depth or self.is_tainted(node.value):
            self._taint(node.target)

    def _if(self, node: ast.If | ast.While) -> None:
        self._calls(node.test)
        within = self.is_tainted(node.test)
        self._depth += within
        before = set(self.names)
        self.run(node.body)
        after, self.names = self.names, before
        self.run(node.orelse)
        self.names |= after
        self._depth -= within

    def _while(self, node: ast.While) -> None:
        self._if(node)
        self._if(node)

    def _for(self, node: ast.For) -> None:
        self._calls(node.iter)
        for _ in range(2):  # what the end of the body taints, its beginning sees
            self._bind(node.target, node.iter)
            self.run(node.body)
        self.run(node.orelse)

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            self._calls(item.context_expr)
            if item.optional_vars:
                self._bind(item.optional_vars, item.context_expr)
        self.run(node.body)

    def _functiondef(self, node: ast.FunctionDef) -> None:
        inside = Taint()
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        given += [extra for extra in (node.args.vararg, node.args.kwarg) if extra]
        own = {argument.arg for argument in given}
        inside.names, inside.effects = self.names - own, dict(self.effects)
        inside.modules = self.modules
        inside.run(node.body)
        outside = {n for part in ast.walk(node) if isinstance(part, ast.Global) for n in part.names}
        stored = {
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
        self.names.discard(node.name)
        self.effects[node.name] = inside.names - self.names - own - (stored - outside)
        if inside.returns:
            self.names.add(node.name)
        self.found += inside.found

    def _classdef(self, node: ast.ClassDef) -> None:
        self.run(node.body)
        methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        if methods & self.names:  # an object that reads a clock is a clock
            self.names.add(node.name)
            self.effects.setdefault(node.name, set())

    def _other(self, node: ast.stmt) -> None:
        """An expression, and every statement that has others in it, such as `try`."""
        self._calls(node)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.stmt):
                self.run([part])
            elif isinstance(part, ast.ExceptHandler):
                self.run(part.body)

    # ---- What they do to names

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            if len(target.elts) == len(value.elts):
                pairs = list(zip(target.elts, value.elts, strict=True))
        tainted = [self.is_tainted(value) or bool(self._depth) for _, value in pairs]
        for (one, _), is_tainted in zip(pairs, tainted, strict=True):
            if is_tainted:
                self._taint(one)
            elif isinstance(one, ast.Name | ast.Tuple | ast.List | ast.Starred):
                self.names -= _names(one)

    def _taint(self, target: ast.expr) -> None:
        while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred | ast.Call):
            target = target.func if isinstance(target, ast.Call) else target.value
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._taint(part)
        elif isinstance(target, ast.Name) and target.id not in self.modules:
            self.names.add(target.id)

    def _calls(self, node: ast.AST) -> None:
        """What calls leave behind: in containers, in the names outside of a function."""
        nested = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
        skipped = {id(below) for part in nested for below in ast.walk(part)}
        for part in ast.walk(node):
            if not isinstance(part, ast.Call) or id(part) in skipped:
                continue
            arguments = [*part.args, *(keyword.value for keyword in part.keywords)]
            tainted = bool(self._depth) or any(map(self.is_tainted, arguments))
            if isinstance(part.func, ast.Name):
                self.names |= self.effects.get(part.func.id, set())
            elif tainted:
                self._taint(part.func)
            name = getattr(part.func, "attr", getattr(part.func, "id", ""))
            self.printed |= tainted and name == "print"
            if tainted and (name.startswith("assert") or name == "check"):
                self.found.append(part.lineno)
