"""The shape of the code: budgets that may tighten and never slide."""

import ast
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

FORBIDDEN_NAMES = {
    "utils", "util", "helpers", "common", "misc", "base", "core", "manager", "service",
    "services", "handler", "handlers", "processor", "data", "info",
}  # fmt: skip

FILE_LINES_MEDIAN = 120
FILE_LINES_P95 = 350
FILE_LINES_MAX = 500
FUNCTION_LINES_MEDIAN = 12
FUNCTION_LINES_P95 = 40
FUNCTION_LINES_MAX = 60
TESTS_TO_CODE = 1.0


def percentile(values: list[int], part: float) -> int:
    return sorted(values)[int(len(values) * part)]


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions() -> list[tuple[str, int]]:
    """Every function of the package with its length, its docstring not counted."""
    found = []
    for path in SOURCE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                length = node.end_lineno - node.lineno + 1
                first = node.body[0]
                if ast.get_docstring(node) is not None and first.end_lineno is not None:
                    length -= first.end_lineno - first.lineno + 1
                found.append((f"{path.name}:{node.name}", length))
    return found


def test_files_are_short() -> None:
    sizes = [lines_of(path) for path in SOURCE if lines_of(path) > 0]

    assert median(sizes) <= FILE_LINES_MEDIAN
    assert percentile(sizes, 0.95) <= FILE_LINES_P95
    assert max(sizes) <= FILE_LINES_MAX


def test_functions_fit_a_screen() -> None:
    lengths = [length for _, length in functions()]
    longest = max(functions(), key=lambda found: found[1])

    assert median(lengths) <= FUNCTION_LINES_MEDIAN
    assert percentile(lengths, 0.95) <= FUNCTION_LINES_P95
    assert longest[1] <= FUNCTION_LINES_MAX, longest


def test_imports_stand_at_the_top() -> None:
    inside = [
        f"{path.name}:{inner.lineno}"
        for path in SOURCE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]

    assert inside == []


def test_modules_are_named_after_ideas() -> None:
    assert [path.name for path in SOURCE if path.stem in FORBIDDEN_NAMES] == []


def test_there_is_at_least_as_much_test_as_code() -> None:
    code = sum(lines_of(path) for path in SOURCE)
    tests = sum(lines_of(path) for path in TESTS)

    assert tests / code >= TESTS_TO_CODE


def test_nobody_reads_a_clock_of_their_own() -> None:
    """One clock, the database's: what is decided by time is decided by booking.now()."""
    readers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCE
        if path.parent.name in {"domain", "usecases", "storage"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"utcnow", "today"}
    ]

    assert readers == []


def test_every_silenced_check_says_why() -> None:
    mute = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [*SOURCE, *TESTS]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ("# no" + "qa: " in line and " - " not in line.partition("# no" + "qa: ")[2])
        or ("# type: " + "ignore" in line and "#" not in line.partition("# type: " + "ignore")[2])
    ]

    assert mute == []


def test_every_long_file_of_tests_is_still_one_idea() -> None:
    assert max(lines_of(path) for path in TESTS) <= FILE_LINES_MAX
