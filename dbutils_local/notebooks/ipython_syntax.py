"""A Python cell as a syntax tree, with what IPython adds to Python taken out; IPython itself is not needed for it."""

from __future__ import annotations

import ast
import re
import warnings

# The line magics and aliases people write without the percent sign (automagic, reference 7.4).
_AUTOMAGIC = re.compile(
    r"\s*(pip|uv|conda|ls|ll|cd|pwd|cat|cp|mv|rm|mkdir|rmdir|man|more|less|clear|sh|fs|sql|run|who|whos|time|timeit|env"
    r"|load_ext|reload_ext|autoreload|matplotlib|lsmagic|history|config)\s[^\n]*\s*"
)
_MAGIC_LINE = re.compile(r"(?P<keep>\s*)(?:%%?|!!?)[^\s=].*|(?P<indent>\s*)[,;/]\s*[A-Za-z_].*")
_ASSIGNED = re.compile(r"(?P<keep>\s*[\w.,\s\[\]'\"*]+=\s*)[%!]\s*[^\s=].*")
_HELP = re.compile(r"(?P<keep>\s*)(?:\?{1,2}\s*[\w.*%]+|[%\w.*\[\]'\"()]+\?{1,2})\s*;?\s*$")


def parse_cell(source: str) -> ast.Module:
    """The tree of a Python cell, line numbers kept; SyntaxError when IPython could not run it either."""
    lines = _dedented(source).split("\n")
    while True:
        try:
            return _compiled("\n".join(lines))
        except SyntaxError as error:
            if _AUTOMAGIC.fullmatch(source):
                return ast.Module(body=[], type_ignores=[])
            if not _without_ipython(lines, (error.lineno or 1) - 1):
                raise


def _compiled(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape is the running cell's to warn about
        try:
            tree = ast.parse(source)
            # The parser alone lets `return` outside a function pass; IPython allows `await` outside one.
            compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except ValueError as error:
            if isinstance(error, SyntaxError):
                raise
            raise SyntaxError(str(error)) from error
        return tree


def _dedented(source: str) -> str:
    """IPython takes the first line's indentation off every line that has it."""
    first = next((line for line in source.split("\n") if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(indent) for line in source.split("\n")) if indent else source


def _without_ipython(lines: list[str], at: int) -> bool:
    """Take out the IPython line the parser stumbled over, else the first one; False when there is none.

    Led by the parser's complaints, a line inside a string that merely looks like a magic is left alone.
    """
    if at < len(lines) and _taken_out(lines, at):
        return True
    return any(_taken_out(lines, i) for i in range(len(lines)))


def _taken_out(lines: list[str], at: int) -> bool:
    line = lines[at]
    if found := _MAGIC_LINE.fullmatch(line):
        lines[at] = (found["keep"] or found["indent"] or "") + "pass"
    elif found := _ASSIGNED.fullmatch(line):
        lines[at] = found["keep"] + "None"
    elif found := _HELP.fullmatch(line):
        lines[at] = found["keep"] + "pass"
    else:
        return False
    while line.endswith("\\") and at + 1 < len(lines):
        at += 1
        line, lines[at] = lines[at], ""
    return True
