"""Which cells a cell needs: those that define what it reads, those that change it, and theirs.

Read from the code, so it also holds for cells that a reader has edited. What is there is compared
with what running every cell from the top would have made: nothing runs twice without a reason.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields

STATEFUL = ("default_rng",)  # what these make changes when it is used, and so do objects of classes


@dataclass
class Cell:
    """The names that a cell reads from others, defines whatever happens, and may change."""

    reads: set[str] = field(default_factory=set)
    binds: set[str] = field(default_factory=set)
    mentions: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)  # read when a function of this cell is called
    changes: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)  # what a method of theirs may have changed
    imports: set[str] = field(default_factory=set)
    makes: set[str] = field(default_factory=set)  # names of objects that have a state


def read(source: str) -> Cell:
    """Look through a cell; what is no Python has no names.

    >>> cell = read("y = x + 1\\nz[0] = y")
    >>> sorted(cell.reads), sorted(cell.binds), sorted(cell.changes)
    (['x', 'z'], ['y'], ['z'])
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return Cell()
    cell = Cell()
    own: set[str] = set()  # functions of this cell
    later_called = False
    for statement in tree.body:
        now, inside = _loads(statement)
        cell.reads |= now - cell.binds
        later_called = later_called or bool(own & now)
        if inside:
            own |= set(_stored(statement))
            cell.later |= inside
        cell.mentions |= now | inside
        cell.changes |= set(_changed(statement))
        cell.calls |= set(_called(statement))
        cell.imports |= set(_imported(statement))
        cell.makes |= set(_made(statement))
        cell.binds |= set(_stored(statement))
    if later_called:
        cell.reads |= cell.later - cell.binds
    return cell


_known: dict[str, Cell] = {}  # by their sources


def written(cell: Cell) -> list[list[str]]:
    """A cell as lists: those of the book are read when the pages are made, which takes a while."""
    return [sorted(getattr(cell, one.name)) for one in fields(cell)]


def know(source: str, lists: Iterable[list[str]]) -> None:
    """This cell has been read: these are its lists."""
    _known[source] = Cell(*map(set, lists))


def _read(source: str) -> Cell:
    if source not in _known:
        _known[source] = read(source)
    return _known[source]


def _loads(node: ast.AST, own: frozenset[str] = frozenset()) -> tuple[set[str], set[str]]:
    """Names that are read at once, and those that a function reads when it is called."""
    now: set[str] = set()
    later: set[str] = set()
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in own:
            now.add(node.id)
        return now, later
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        now |= {node.target.id} - own
    body: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        inner = frozenset(arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg))
        parts = node.body if isinstance(node.body, list) else [node.body]
        stored = {n for part in parts for n in _stored(part)}
        outer = {n for g in ast.walk(node) if isinstance(g, ast.Global) for n in g.names}
        for part in parts:
            one, two = _loads(part, own | inner | (stored - outer))
            later |= one | two
        kept = {id(part) for part in parts}
        body = [child for child in body if id(child) not in kept]  # defaults and decorators
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        own = own | {n for generator in node.generators for n in _stored(generator.target)}
    for child in body:
        one, two = _loads(child, own)
        now |= one
        later |= two
    return now, later


def _stored(node: ast.AST) -> Iterator[str]:
    """Names that get a value in this scope."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    if not isinstance(
        node, ast.Lambda | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ):
        for child in ast.iter_child_nodes(node):
            yield from _stored(child)


def _base(node: ast.AST) -> str:
    """The name that an attribute or an entry belongs to."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _changed(statement: ast.stmt) -> Iterator[str]:
    """Names of what a statement changes in place, as far as one can see."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield _base(node)
        elif isinstance(node, ast.AugAssign):
            yield _base(node.target)
        elif isinstance(node, ast.keyword) and node.arg == "out":
            yield _base(node.value)


def _called(statement: ast.stmt) -> Iterator[str]:
    """Names of objects whose method is called for nothing but its effect."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            if isinstance(node.value.func, ast.Attribute):
                yield _base(node.value.func)


def _imported(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from _stored(statement)


def _made(statement: ast.stmt) -> Iterator[str]:
    """Names that get an object with a state: a generator, or one of a class."""
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        name = called.attr if isinstance(called, ast.Attribute) else _base(called)
        if name in STATEFUL or name[:1].isupper():
            yield from (n for target in statement.targets for n in _stored(target))


Mark = tuple[int, int | None]  # a cell, and the hash of all that it was made from when it ran
Chain = tuple[Mark, ...]  # who defines a name, and then who changes it, in order


@dataclass
class Layout:
    """What running all cells from the top would make."""

    marks: dict[int, Mark] = field(default_factory=dict)
    needs: dict[int, dict[str, Chain]] = field(default_factory=dict)  # by cell, then by name
    writes: dict[int, dict[str, bool]] = field(default_factory=dict)  # by name: is it made anew?


class Plan:
    """What has run, and what has to run before a cell."""

    def __init__(self) -> None:
        self.there: dict[str, Chain] = {}
        self._known: tuple[dict[int, str], Layout] = ({}, Layout())

    def ran(self, number: int, sources: Mapping[int, str], whole: bool = True) -> None:
        """Note that a cell has run; of one that failed nobody knows how far it came."""
        layout = self._layout(sources)
        mark = layout.marks[number] if whole else (number, None)
        _write(self.there, mark, layout.writes[number])

    def before(self, number: int, sources: Mapping[int, str]) -> list[int]:
        """The cells that have to run before this one, in order.

        >>> sources = {1: "x = 1", 2: "y = 2", 3: "x += y", 4: "print(x)"}
        >>> plan = Plan()
        >>> plan.before(4, sources)
        [1, 2, 3]
        >>> for cell in (1, 2):
        ...     plan.ran(cell, sources)
        >>> plan.before(4, sources)
        [3]
        """
        layout = self._layout(sources)
        due: set[int] = set()
        while more := self._missing([*sorted(due), number], layout) - due:
            due |= more
        return sorted(due)

    def _missing(self, cells: list[int], layout: Layout) -> set[int]:
        """What has to run besides, so that these find all that they read."""
        there = dict(self.there)
        found: set[int] = set()
        for cell in cells:
            for name, wanted in layout.needs[cell].items():
                has = there.get(name, ())
                # The reader's own cell may run again with what it has changed itself.
                if (has[: len(wanted)] if cell == cells[-1] else has) != wanted:
                    rest = wanted[len(has) :] if wanted[: len(has)] == has else wanted
                    found |= {n for n, _ in rest}
            _write(there, layout.marks[cell], layout.writes[cell])
        return found

    def _layout(self, sources: Mapping[int, str]) -> Layout:
        if self._known[0] != sources:
            self._known = dict(sources), _laid(sources)
        return self._known[1]


def _laid(sources: Mapping[int, str]) -> Layout:
    cells = {n: _read(sources[n]) for n in sorted(sources)}
    # A mention may change an object with a state; a module is none, whatever is called of it.
    made = {name for cell in cells.values() for name in cell.makes | cell.calls}
    states = made - {name for cell in cells.values() for name in cell.imports}
    layout, there = Layout(), dict[str, Chain]()
    for n, cell in cells.items():
        reads, todo = set[str](), set(cell.reads)
        while todo:  # a function reads what it needs when it is called
            name = todo.pop()
            reads.add(name)
            for definer, _ in there.get(name, ()):
                todo |= cells[definer].later - reads
        needs = {name: there[name] for name in reads if name in there}
        layout.needs[n] = needs
        layout.marks[n] = (n, hash((sources[n], *sorted(needs.items()))))
        touched = cell.changes | (cell.mentions & states)
        layout.writes[n] = {name: name not in cell.reads for name in cell.binds}
        layout.writes[n] |= {name: False for name in touched - cell.binds}
        _write(there, layout.marks[n], layout.writes[n])
    return layout


def _write(there: dict[str, Chain], mark: Mark, writes: Mapping[str, bool]) -> None:
    for name, anew in writes.items():
        if anew:
            there[name] = (mark,)
        elif name in there:
            there[name] = (*there[name], mark)
