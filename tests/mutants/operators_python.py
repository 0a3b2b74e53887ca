"""Mutation operators for Python, on the tree of the `ast` module."""

from __future__ import annotations

import ast

from .change import Maker

COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
BINARY: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
ONE_SIDED = (ast.Add, ast.Sub, ast.BitAnd, ast.BitOr)
NAMES = {"vm_start": "vm_end", "vm_end": "vm_start", "min": "max", "max": "min"}


def mutate(maker: Maker) -> None:
    """Add all changes to one Python file."""
    Visitor(maker).visit(ast.parse(maker.source))


class Visitor(ast.NodeVisitor):
    """Walks a module; annotations, docstrings and assertions are left alone."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.starts = [0]
        for line in maker.source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.names: list[str] = []

    # ---- places

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def text(self, node: ast.expr) -> str:
        start, end = self.span(node)
        return self.maker.source[start:end].decode()

    def put(self, operator: str, node: ast.expr | ast.stmt, new: str) -> None:
        start, end = self.span(node)
        lines = self.maker.source.count(b"\n", start, end) - new.count("\n")
        if isinstance(node, ast.expr) and lines:  # brackets within it may have held them together
            new = f"({new}{lines * chr(10)})"
        self.put_at(operator, start, end, new)

    def put_at(self, operator: str, start: int, end: int, new: str) -> None:
        self.maker.add(".".join(self.names), operator, start, end, new)

    def between(self, operator: str, left: ast.expr, right: ast.expr, new: str) -> None:
        """The operator between two operands; brackets and line ends around it stay."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.maker.source[start:end].decode()
        sign = gap.strip(" \n()")
        if "#" in sign or not sign:
            return
        at = start + gap.index(sign)
        self.put_at(operator, at, at + len(sign), new)

    # ---- what is passed by

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.names.append(node.name)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        self.block(node.body)
        self.names.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.append(node.name)
        self.block(node.body)
        self.names.pop()

    def block(self, body: list[ast.stmt]) -> None:
        """Statements without their docstring."""
        first = body[0]
        documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        for statement in body[documented:]:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        pass

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Import(self, node: ast.Import) -> None:
        pass

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        pass

    # ---- expressions

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for n, sign in enumerate(node.ops):
            for new in COMPARISONS[type(sign)]:
                self.between("binary", operands[n], operands[n + 1], new)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in BINARY:
            self.between("binary", node.left, node.right, BINARY[type(node.op)])
        if isinstance(node.op, ONE_SIDED):
            self.put("operand", node, self.text(node.left))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        new = "or" if isinstance(node.op, ast.And) else "and"
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between("binary", left, right, new)
        for value in node.values:
            neutral = "True" if isinstance(node.op, ast.And) else "False"
            self.put("operand", value, neutral)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.Invert | ast.USub):
            self.put("negation", node, f"({self.text(node.operand)})")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.put("constant", node, str(not node.value))
        elif isinstance(node.value, int):
            self.put("constant", node, str(node.value + 1))
            if node.value:
                self.put("constant", node, str(node.value - 1))

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in NAMES:
            self.put("name", node, NAMES[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in NAMES:
            end = self.span(node)[1]
            self.put_at("name", end - len(node.attr), end, NAMES[node.attr])
        self.generic_visit(node)

    # ---- statements

    def condition(self, test: ast.expr) -> None:
        self.put("condition", test, "True")
        self.put("condition", test, "False")

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.condition(node.test)
            self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.put("condition", node.test, "False")
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.put("condition", node.iter, "()")
        self.generic_visit(node)

    def deleted(self, node: ast.stmt) -> None:
        self.put("deletion", node, "pass")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.deleted(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not self.names or any(isinstance(target, ast.Name) for target in node.targets):
            self.generic_visit(node)  # without it the next line would only be a NameError
        else:
            self.deleted(node)

    visit_AugAssign = visit_Break = visit_Continue = visit_Raise = visit_Delete = deleted

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            self.put("deletion", node, "pass")
        self.generic_visit(node)
