"""Small faults in a source text: what can be changed, into what, and which lines show it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One small fault. Fields: start, end: offsets of the changed text, in bytes. new: what stands there. line: of the change.

    shown: lines whose execution can show the fault.
    """

    start: int
    end: int
    line: int
    old: str
    new: str
    shown: frozenset[int]

    def applied(self, source: str) -> str:
        """The source with the fault."""
        data = source.encode()
        return (data[: self.start] + self.new.encode() + data[self.end :]).decode()


def mutants(source: str) -> Iterator[Mutant]:
    """Every fault that can be put into a source text. Annotations, messages of errors, logs and docstrings are left alone.

    >>> [(mutant.old, mutant.new) for mutant in mutants("x = a < 1")]
    [('a < 1', '(a <= 1)'), ('1', '(2)')]
    """
    tree, data = ast.parse(source), source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    skipped = {id(inner) for node in ast.walk(tree) for outer in _left_alone(node) for inner in ast.walk(outer)}
    for node, parents in _walk(tree, ()):
        if id(node) in skipped or not isinstance(node, ast.expr) or (new := _changed(node, parents[-1])) is None:
            continue
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        old = " ".join(data[start:end].decode().split())
        yield Mutant(start, end, node.lineno, old, f"({ast.unparse(new)})", _shown(tree, node, parents))


def _walk(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    for child in ast.iter_child_nodes(node):
        yield child, (*parents, node)
        yield from _walk(child, (*parents, node))


def _left_alone(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
        return [node]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return [node] if node.func.value.id == "log" else []
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    if isinstance(node, Function):
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        return [*(one.annotation for one in given if one and one.annotation), *([node.returns] if node.returns else [])]
    return []


def _changed(node: ast.expr, parent: ast.AST) -> ast.expr | None:
    """What takes an expression's place."""
    new = copy.deepcopy(node)
    if isinstance(new, ast.Compare):
        new.ops[0] = COMPARISONS[type(new.ops[0])]()
    elif isinstance(new, ast.BinOp) and type(new.op) in OPERATORS and not _is_text(new.left) and not _is_text(new.right):
        new.op = OPERATORS[type(new.op)]()
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not | ast.USub):
        new = new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool):
        new.value = not new.value
    elif isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        new.value = new.value + 1
    elif isinstance(parent, ast.If | ast.IfExp | ast.While) and node is parent.test:
        new = ast.UnaryOp(ast.Not(), new)
    elif isinstance(parent, ast.Return):
        new = ast.Constant(None)
    else:
        return None
    return new if ast.unparse(new) != ast.unparse(node) else None


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _shown(tree: ast.Module, node: ast.expr, parents: tuple[ast.AST, ...]) -> frozenset[int]:
    """Lines whose execution can show a fault: its own in a function's body; else those that use what it defines."""
    function = next((one for one in reversed(parents) if isinstance(one, Function)), None)
    if function is not None:
        in_body = any(one in parents for one in function.body)
        return frozenset({node.lineno} if in_body else {line for one in function.body for line in _lines(one)})
    statement = next(one for one in reversed((*parents, node)) if isinstance(one, ast.stmt))
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    used = {one.lineno for one in ast.walk(tree) if isinstance(one, ast.Name | ast.Attribute) and _name(one) in names}
    return frozenset(used - set(_lines(statement))) or frozenset(range(1, max(_lines(tree.body[-1])) + 1))


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _lines(node: ast.stmt) -> range:
    assert node.end_lineno is not None
    return range(node.lineno, node.end_lineno + 1)
