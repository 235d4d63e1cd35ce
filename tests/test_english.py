"""Plain English: words and openings that readers stop at are rejected."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.messages.classes import Command
from audit.messages.exceptions import CommandError

ROOT = Path(__file__).parents[1]
APPS = ("audit", "approvals", "apikeys", "config")
# Recorded or stored as they are: in these, and only in these, the rules do not apply.
FROZEN = (
    "Can have a held command carried out without its approvals",
    "held, refused and let through",
    "audit.export_broken_off",
    # The name of an account of the operating system.
    "postgres or nobody",
    # An example of what not to write.
    'instead of pronouns ("whoever")',
)
# Each expression, and what to write instead.
WORDS = {
    r"affairs?": "case",
    r"whoever|whomever|whosoever": "the role: caller, requester, approver, user",
    r"somebody|anybody|nobody|everybody": "the role; no one, anyone, everyone",
    r"that one(?= (?:acts|may|can|is|has|does)\b|[.,;:)])": "the role, or the noun",
    r"(?:what )?(?:came|comes|come) (?:to nothing|of it)|came to": "status, outcome, result",
    r"(?:not|cannot|nothing|never) .{0,40}any ?more|any more(?= *[.,;:)]|$)": "no longer",
    r"(?<!one )no more(?! than| requests| of)": "no longer",
    r"none of (?:ours|its own|them does)|(?<!there )is none": "unknown, invalid, not a …",
    r"mend(?:s|ed|ing)?": "fix",
    r"hand(?:s|ed|ing)? out": "issue, grant",
    r"at one stroke|in one stroke": "atomically",
    r"cannot bear|patience": "cannot handle; timeout",
    r"by now|under way|as ever|unless told": "now; in progress; unchanged; by default",
    r"for good|this once|anew": "permanently; once; again",
    r"tells?|telling|told": "return, show, notify, log",
    r"turn(?:s|ed)? (?:down|away)": "refuse",
    r"lets? (?:it |them |\w+ )?through": "allow",
    r"call(?:s|ed)? off": "cancel",
    r"carr(?:y|ies|ied|ying)(?: \w+){0,4} out": "execute; a status: succeeded",
    r"on record|(?:wrote|writes?|written|taken|took) down": "logged, recorded",
    r"broke off|broken off|hangs? up|hung up": "incomplete, disconnect",
    r"(?:break|broke|breaks|breaking) the glass|glass (?:was )?broken": "break-glass",
    r"raised? (?:it )?again|asks? once more|asked (?:for )?once more": "resubmit",
    r"in a way that may pass|what may pass": "temporary failure",
    r"the floor": "the built-in policy",
    r"live people|live actors?": "active people, current actor",
    r"asked for|who asks|asks for": "requested, requester, requires",
    r"no longer good|is not good|is good": "valid, active",
    r"yours to see|ones to see|theirs to see": "… have access to",
    r"document of the API": "the OpenAPI document",
    r"electorate|doers|surroundings": "eligible approvers, most active, related activity",
    r"round the|beside what|but for|so many": "except; compared with; N",
    r"as it (?:then )?stands|where it stands": "its status, updated",
    r"outside every other command": "direct database change",
    r"unless it is told|is told of|are told of": "notify",
    r"the (?:full )?story": "timeline",
    r"in a picture|as a picture|the picture": "chart",
}
_REJECTED = {
    re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE): instead
    for pattern, instead in WORDS.items()
}
# Docstrings begin with a noun phrase, or with Return, Raise, Check, Write …
_OPENING = re.compile(
    r"(?:Tell|Say|Have|Let|Give|Whether|What|Whose|Whom|Who|Where|How|Refuse who\w*)\b"
)
_SQL = re.compile(r"\b(?:SELECT|INSERT|UPDATE|CREATE|DROP|WHERE|FROM|ORDER BY|GRANT|SET)\b")
_MEASURED = re.compile(r"<!-- measured: begin -->.*?<!-- measured: end -->", re.DOTALL)
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`|\]\([^)]*\)", re.DOTALL | re.MULTILINE)
_TAGS = re.compile(r"{%.*?%}|{{.*?}}|<[^>]*>", re.DOTALL)


def rejected(text: str) -> list[str]:
    """Return the rejected expressions of a text, each with its replacement."""
    for frozen in FROZEN:
        text = text.replace(frozen, "")
    return [
        f"“{found[0]}”: {instead}"
        for pattern, instead in _REJECTED.items()
        for found in pattern.finditer(" ".join(text.split()))
    ]


def modules() -> list[Path]:
    """Return the product's modules; landed migrations never change."""
    found = (path for app in APPS for path in (ROOT / app).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def templates() -> list[Path]:
    return sorted((ROOT / "templates").rglob("*.html"))


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings(tree: ast.AST) -> dict[int, str]:
    """Return the docstrings of a module, by the identity of their nodes."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            assert isinstance(first.value, ast.Constant)
            found[id(first.value)] = str(first.value.value)
    return found


def literals(path: Path) -> Iterator[str]:
    """Return the texts in a module that people may read: neither docstrings nor SQL."""
    tree = ast.parse(path.read_text())
    own = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in own:
            text = node.value
            if " " in text.strip() and not _SQL.search(text):
                yield text


def comments(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def with_subclasses(kind: type) -> Iterator[type]:
    yield kind
    for child in kind.__subclasses__():
        yield from with_subclasses(child)


def first_lines(kind: type) -> dict[str, str]:
    """Return the first lines of the docstrings of a kind's classes: people read them."""
    found = with_subclasses(kind)
    ours = (each for each in found if each.__module__.split(".")[0] in APPS)
    return {each.__qualname__: (each.__doc__ or "").strip().partition("\n")[0] for each in ours}


@pytest.mark.parametrize("path", templates(), ids=name)
def test_templates_are_in_plain_english(path):
    assert rejected(_TAGS.sub(" ", path.read_text())) == []


@pytest.mark.parametrize("path", pages(), ids=name)
def test_docs_are_in_plain_english(path):
    text = _CODE.sub(" ", _MEASURED.sub(" ", path.read_text()))

    assert rejected(text) == []


# The people of the demo are made up, and write as people do.
@pytest.mark.parametrize(
    "path", [path for path in modules() if "demo" not in path.parts[:-1]], ids=name
)
def test_texts_in_code_are_in_plain_english(path):
    found = {text: problems for text in literals(path) if (problems := rejected(text))}

    assert found == {}


@pytest.mark.parametrize("kind", [CommandError, Command], ids=lambda kind: kind.__name__)
def test_messages_and_commands_are_in_plain_english(kind):
    lines = first_lines(kind)
    problems = {
        each: [*rejected(line), *_OPENING.findall(line[:12])] for each, line in lines.items()
    }

    assert lines
    assert {each: found for each, found in problems.items() if found} == {}


@pytest.mark.parametrize("path", modules(), ids=name)
def test_docstrings_and_comments_are_in_plain_english(path):
    prose = docstrings(ast.parse(path.read_text())).values()
    problems = {text: rejected(text) for text in (*prose, *comments(path))}
    openings = [text for text in prose if _OPENING.match(text.strip())]

    assert {text: found for text, found in problems.items() if found} == {}
    assert openings == []


@pytest.mark.parametrize(
    "text",
    [
        "Whoever asks may approve it",
        "The request was called off",
        "It cannot be read any more",
        "What it came to",
        "Tell the caller",
        "The present state of the affair",
    ],
)
def test_the_rules_reject_the_former_wording(text):
    assert rejected(text)


@pytest.mark.parametrize(
    "text",
    ["The key no longer exists", "no more than two", "one more vote", "Retry-After", "approve"],
)
def test_the_rules_accept_plain_english(text):
    assert rejected(text) == []
