"""Variables that are named like settings, and are none."""

import difflib
import os

from flows.printable import printable
from flows.settings import PREFIX, Settings, variable

FOR_TESTS = (f"{PREFIX}TEST_", f"{PREFIX}BENCH_")


def unknown_variables() -> dict[str, str]:
    """What is wrong with each, and what to do about it."""
    known = {variable(name): name for name in Settings.model_fields}
    found = {}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and not name.startswith(FOR_TESTS) and name not in known:
            like = difflib.get_close_matches(name, known, n=1)
            fix = f"do you mean {like[0]}?" if like else "unset it; see docs/settings.md"
            found[f"{printable(name)}: there is no such setting"] = fix
    return found
