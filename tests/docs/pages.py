"""The pages that people read, and what is in them: code, tables, headings, links."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [README, CONTRIBUTING, *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    """The page, as a test shows it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks in a language."""
    return [code for found, code in BLOCK.findall(page.read_text()) if found == language]


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return BLOCK.sub("", page.read_text())


def inline_code(page: Path) -> list[str]:
    """What is set as code within the text."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def shell_lines(page: Path) -> Iterator[str]:
    """Commands: the lines of shell blocks, and code in the text that begins like one."""
    for block in blocks(page, "sh"):
        yield from filter(None, block.splitlines())
    yield from (
        code for code in inline_code(page) if re.match(r"(\S+/)?(python|make|prefect) ", code)
    )


def table(page: Path, *heading: str) -> list[list[str]]:
    """The rows of the table with this heading."""
    lines = iter(page.read_text().splitlines())
    wanted = f"| {' | '.join(heading)} |".replace("|  |", "| |")
    assert any(line == wanted for line in lines), f"{name(page)} has no table {wanted}"
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page ends with, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Where links and pictures lead to."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))
