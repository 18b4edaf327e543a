"""The tables of docs/settings.md: `python -m tests.docs.settings_page` writes them.

What is said of a setting is said in `flows.settings`; who reads it is found in the code.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from flows import settings as settings_module
from flows.settings import OPTIONS, SECRETS, Settings, option, variable
from flows.settings.other_variables import OTHER_VARIABLES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
# A table of the page, between its marks.
TABLE = re.compile(r"(<!-- (settings|others) -->\n).*?(?=<!-- end of \2 -->)", re.S)


def page(text: str) -> str:
    """The page with its tables as they must be."""
    tables = {"settings": _settings, "others": _others}
    return TABLE.sub(lambda found: found[1] + tables[found[2]](), text)


def readers() -> dict[str, list[str]]:
    """The modules that read each setting, straight or by way of a property of the settings."""
    found: dict[str, list[str]] = {name: [] for name in Settings.model_fields}
    ways = _properties()
    for path in sorted((ROOT / "flows").rglob("*.py")):
        if path == Path(settings_module.__file__):
            continue
        read = {*_attributes(ast.parse(path.read_text()), of="settings")}
        for name, modules in found.items():
            if read & {name, *ways.get(name, ())}:
                modules.append(path.relative_to(ROOT).as_posix())
    return {name: modules or ["flows/settings/__init__.py"] for name, modules in found.items()}


def _settings() -> str:
    read_in = readers()
    rows = [
        f"| {_names(name)} | {_default(field)} | {_form(field)} | {field.description} |"
        f" {', '.join(_module(path) for path in read_in[name])} |\n"
        for name, field in Settings.model_fields.items()
    ]
    head = "| setting | default | written as | what it is | read in |\n"
    return f"{head}| --- | --- | --- | --- | --- |\n{''.join(rows)}"


def _others() -> str:
    rows = [
        f"| `{other.name}` | {'secret: ' if other.is_secret else ''}{other.said} |\n"
        for other in OTHER_VARIABLES
    ]
    return "| variable | what it is to a run |\n| --- | --- |\n" + "".join(rows)


def _names(name: str) -> str:
    return f"`{option(name)}` `{variable(name)}`" if name in OPTIONS else f"`{variable(name)}`"


def _default(field: FieldInfo) -> str:
    return "none" if field.default is None else f"`{field.default}`"


def _form(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["form"])


def _module(path: str) -> str:
    name = path.removeprefix("flows/").removesuffix(".py").removesuffix("/__init__")
    return f"[{name}](../{path})"


def _properties() -> dict[str, set[str]]:
    """By setting, the properties that give it, or what is made of it."""
    tree = ast.parse(Path(settings_module.__file__).read_text())
    [the_class] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings"]
    found: dict[str, set[str]] = {name: set() for name in Settings.model_fields}
    for each in the_class.body:
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            for name in _attributes(each, of="self"):
                found.get(name, set()).add(each.name)
    for name in SECRETS:  # by their names, which are put together
        found[f"{name}_block"].add("blocks")
    return found


def _attributes(tree: ast.AST, of: str) -> Iterator[str]:
    """The attributes that are read of what has this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if of in (getattr(owner, "id", None), getattr(owner, "attr", None)):
                yield node.attr


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
