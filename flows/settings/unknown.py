"""Variables that are named like settings, and are none."""

import difflib
import os

from flows.printable import printable
from flows.settings import PREFIX, Settings

FOR_TESTS = (f"{PREFIX}TEST_", f"{PREFIX}BENCH_")


def unknown_variables() -> dict[str, str]:
    """What is wrong with each, and what to do about it."""
    known = [name.upper() for name in Settings.model_fields]
    found = {}
    for variable in sorted(os.environ):
        name = variable.removeprefix(PREFIX)
        if variable == name or variable.startswith(FOR_TESTS) or name in known:
            continue
        like = difflib.get_close_matches(name, known, n=1)
        fix = f"do you mean {PREFIX}{like[0]}?" if like else "unset it; see docs/settings.md"
        found[f"{printable(variable)}: there is no such setting"] = fix
    return found
