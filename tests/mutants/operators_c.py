"""Mutation operators for C, on the syntax tree that tree-sitter makes of a source file."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tree_sitter
import tree_sitter_c
from tree_sitter import Node

from .change import Maker

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))

# Assertions, and what is told to the instruments that look for races: nothing else changes
# without them.
ASSERTIONS = {
    "BUG", "BUG_ON", "owned", "might_sleep", "step", "step_of_many", "touch", "shared",
    "assert_owner", "_Static_assert", "likely", "unlikely",
}  # fmt: skip
BINARY = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",), "&&": ("||",), "||": ("&&",),
    "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("*",),
    "<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",),
}  # fmt: skip
ASSIGNMENT = {
    "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<=", "*=": "/=",
}  # fmt: skip
ONE_SIDED = {"+", "-", "|", "&", "&&", "||"}  # the left operand alone is worth a try
TWO_SIDED = {"&&", "||"}  # and so is the right one
NAMES = {
    "list_add": "list_add_tail", "list_add_tail": "list_add",
    "rb_left": "rb_right", "rb_right": "rb_left", "next": "prev", "prev": "next",
    "vm_start": "vm_end", "vm_end": "vm_start", "VM_READ": "VM_WRITE", "VM_WRITE": "VM_READ",
}  # fmt: skip
DELETED = {"break_statement", "continue_statement", "goto_statement"}
# Where a constant is a size or a name of its own.
PASSED_BY = {
    "array_declarator", "enum_specifier", "struct_specifier", "union_specifier",
    "sizeof_expression", "attribute_specifier", "string_literal", "ERROR", "preproc_def",
    "preproc_function_def", "preproc_include", "preproc_if", "preproc_ifdef", "preproc_call",
    "field_declaration",
}  # fmt: skip


def mutate(maker: Maker) -> None:
    """Add all changes to one C file."""
    # A macro between `inline` and the type is not C to a parser that expands none.
    source = maker.source.replace(b"ALWAYS_INLINE", b"inline       ")
    tree = PARSER.parse(source)
    for node in functions(tree.root_node):
        declarator = node.child_by_field_name("declarator")
        body = node.child_by_field_name("body")
        if declarator is None or body is None:
            continue
        kind = node.child_by_field_name("type")
        Function(maker, function_name(declarator), text(kind) == "bool").visit(body)


def functions(node: Node) -> Iterator[Node]:
    """All function definitions, those behind an ``#ifndef`` guard included."""
    for child in node.children:
        if child.type == "function_definition":
            yield child
        elif child.type.startswith("preproc_if"):
            yield from functions(child)


def text(node: Node | None) -> str:
    """A node's source text."""
    return node.text.decode() if node is not None and node.text is not None else ""


def function_name(declarator: Node) -> str:
    """The name in a function's declarator, behind stars and before parameters."""
    node: Node | None = declarator
    while node is not None and node.type != "identifier":
        node = node.child_by_field_name("declarator") or next(
            (child for child in node.children if child.is_named), None
        )
    return text(node)


class Function:
    """The changes within one function."""

    def __init__(self, maker: Maker, name: str, predicate: bool) -> None:
        self.maker = maker
        self.name = name
        self.predicate = predicate

    def put(self, operator: str, node: Node, new: str) -> None:
        self.maker.add(self.name, operator, node.start_byte, node.end_byte, new)

    def visit(self, node: Node) -> None:
        """Add the changes to a node and to what is below it."""
        if node.type in PASSED_BY or node.is_missing or defends(node):
            return
        if node.type == "call_expression" and callee(node) in ASSERTIONS - {"likely", "unlikely"}:
            return
        method = getattr(self, f"at_{node.type}", None)
        if method is not None:
            method(node)
        for child in node.children:
            self.visit(child)

    def at_binary_expression(self, node: Node) -> None:
        operator = node.child_by_field_name("operator")
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if operator is None or left is None or right is None:
            return
        sign = text(operator)
        for new in BINARY.get(sign, ()):
            self.put("binary", operator, new)
        if sign in ONE_SIDED:
            self.put("operand", node, text(left))
        if sign in TWO_SIDED:
            self.put("operand", node, text(right))

    def at_unary_expression(self, node: Node) -> None:
        operator = node.child_by_field_name("operator")
        if operator is not None and text(operator) in "!~":
            self.put("negation", operator, "")

    def at_update_expression(self, node: Node) -> None:
        operator = node.child_by_field_name("operator")
        if operator is not None:
            self.put("update", operator, {"++": "--", "--": "++"}[text(operator)])

    def at_assignment_expression(self, node: Node) -> None:
        operator = node.child_by_field_name("operator")
        if operator is not None and text(operator) in ASSIGNMENT:
            self.put("assignment", operator, ASSIGNMENT[text(operator)])

    def at_number_literal(self, node: Node) -> None:
        match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", text(node))
        if match is None:
            return
        number, suffix = int(match[1], 0), match[2]
        self.put("constant", node, f"{number + 1}{suffix}")
        if number:
            self.put("constant", node, f"{number - 1}{suffix}")

    def at_true(self, node: Node) -> None:
        self.put("constant", node, "false")

    def at_false(self, node: Node) -> None:
        self.put("constant", node, "true")

    def at_field_identifier(self, node: Node) -> None:
        if text(node) in NAMES:
            self.put("name", node, NAMES[text(node)])

    at_identifier = at_field_identifier

    def at_if_statement(self, node: Node) -> None:
        condition = node.child_by_field_name("condition")
        then = node.child_by_field_name("consequence")
        if condition is None or then is None:
            return
        self.put("condition", condition, "(1)")
        if not text(then).lstrip("{ \n\t").startswith("BUG("):
            self.put("condition", condition, "(0)")

    def at_while_statement(self, node: Node) -> None:
        condition = node.child_by_field_name("condition")
        if condition is not None:
            self.put("condition", condition, "(0)")

    at_do_statement = at_while_statement

    def at_for_statement(self, node: Node) -> None:
        condition = node.child_by_field_name("condition")
        if condition is not None:
            self.put("condition", condition, "0")

    def at_conditional_expression(self, node: Node) -> None:
        condition = node.child_by_field_name("condition")
        if condition is not None:
            self.put("condition", condition, "1")
            self.put("condition", condition, "0")

    def at_return_statement(self, node: Node) -> None:
        value = node.named_children[0] if node.named_children else None
        if value is None:
            self.put("deletion", node, ";")
        elif self.predicate and value.type not in ("true", "false"):
            self.put("negation", value, f"!({text(value)})")

    def at_break_statement(self, node: Node) -> None:
        self.put("deletion", node, ";")

    at_continue_statement = at_goto_statement = at_break_statement

    def at_expression_statement(self, node: Node) -> None:
        (expression, *_) = [*node.named_children, node]
        if expression.type == "call_expression" and callee(expression) in ASSERTIONS:
            if callee(expression) != "BUG_ON" or not has_effect(expression):
                return
        elif text(expression).startswith("(void)"):
            return
        self.put("deletion", node, ";")


def defends(node: Node) -> bool:
    """Whether a statement only says what to do after a bug, which a sound kernel never has."""
    condition = node.child_by_field_name("condition") if node.type == "if_statement" else None
    if condition is None or len(condition.named_children) != 1:
        return False
    return asserts(condition.named_children[0])


def asserts(node: Node) -> bool:
    """Whether a condition is of assertions alone."""
    if node.type == "binary_expression" and text(node.child_by_field_name("operator")) == "||":
        return all(asserts(operand) for operand in node.named_children)
    return node.type == "call_expression" and callee(node) == "BUG_ON" and not has_effect(node)


def callee(call: Node) -> str:
    """The name of the function or macro that is called."""
    return text(call.child_by_field_name("function"))


def has_effect(call: Node) -> bool:
    """Whether an argument does more than look."""
    arguments = call.child_by_field_name("arguments")
    waiting = list(arguments.children) if arguments is not None else []
    while waiting:
        node = waiting.pop()
        if node.type in ("update_expression", "assignment_expression", "call_expression"):
            return True
        waiting += node.children
    return False
