"""A module's source text, addressed by the nodes of its syntax tree."""

import ast
from collections.abc import Iterator


class Source:
    """The text of one file, with the character offsets of its nodes."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.tree = ast.parse(text)
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        """Return the character offset of a line and a column as `ast` counts them, in bytes."""
        before = self._lines[line - 1].encode()[:column].decode() if column else ""
        return self._starts[line - 1] + len(before)

    def span(self, node: ast.AST) -> tuple[int, int]:
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno, node.end_col_offset)

    def between(self, left: ast.AST, right: ast.AST) -> tuple[int, int]:
        """Return the span of what stands between two nodes, such as an operator."""
        return self.span(left)[1], self.span(right)[0]

    def segment(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def runnable(self) -> Iterator[ast.AST]:
        """Yield the nodes that do something at run time: no annotations and no docstrings."""
        for node in ast.walk(self.tree):
            if hasattr(node, "lineno") and not self._is_inert(node):
                yield node

    def _is_inert(self, node: ast.AST) -> bool:
        while parent := self.parents.get(node):
            is_annotation = (
                isinstance(parent, ast.arg)
                or (isinstance(parent, ast.AnnAssign) and parent.annotation is node)
                or (isinstance(parent, ast.FunctionDef) and parent.returns is node)
            )
            is_docstring = isinstance(parent, ast.Expr) and isinstance(node, ast.Constant)
            is_type_only = (
                isinstance(parent, ast.If) and getattr(parent.test, "id", "") == "TYPE_CHECKING"
            )
            # Python 3.11 gives no usable positions inside of f-strings.
            is_formatted = isinstance(parent, ast.JoinedStr)
            if is_annotation or is_docstring or is_type_only or is_formatted:
                return True
            node = parent
        return False
