"""The settings as they are in effect, and where each comes from: `config`. Secrets are masked."""

import os
from typing import Any

from flows.settings import OPTIONS, SECRETS, Settings, load_settings, option, origins, variable
from flows.settings.other_variables import OTHER_VARIABLES
from flows.warehouse.address import has_password, shown

MASK = "***"


def effective(**given: object) -> dict[str, list[dict[str, Any]]]:
    """What a run would use, given these options.

    Returns:
        `settings`: ours, each with name, option (or None), variable, value, and origin; `others`:
        the variables that are not ours and are set, with name and value.

    Raises:
        InputError: a setting is wrong.
    """
    settings = load_settings(**given)
    known = origins(**given)
    return {
        "settings": [
            {
                "name": name,
                "option": option(name) if name in OPTIONS else None,
                "variable": variable(name),
                "value": MASK if name in SECRETS and name in settings.blocks else value,
                "origin": _origin(name, settings, known),
            }
            for name, value in _masked(settings).items()
        ],
        "others": [
            {"name": each.name, "value": MASK if each.is_secret else shown(os.environ[each.name])}
            for each in OTHER_VARIABLES
            if each.name in os.environ
        ],
    }


def in_words(found: dict[str, list[dict[str, Any]]]) -> str:
    """The settings, for people: a line for each."""
    ours = [(each["variable"], each["value"], each["origin"]) for each in found["settings"]]
    others = [(each["name"], each["value"], "not ours") for each in found["others"]]
    lines = [
        (name, "none" if value is None else str(value), origin)
        for name, value, origin in (*ours, *others)
    ]
    widths = [max(len(line[place]) for line in lines) for place in (0, 1)]
    return "\n".join(
        f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for name, value, origin in lines
    )


def _masked(settings: Settings) -> dict[str, Any]:
    values = settings.model_dump(mode="json")
    for name in SECRETS:
        values[name] = values[name] and MASK
    for name in ("source", "warehouse"):
        values[name] = shown(values[name])
    return values


def _origin(name: str, settings: Settings, known: dict[str, str]) -> str:
    if block := settings.blocks.get(name):
        return f"the Secret block {block}"
    origin = known.get(name, "default")
    if name in ("source", "warehouse") and has_password(getattr(settings, name)):
        return f"{origin}; its password is masked"
    return origin
