"""Templates of pages: what is put into them is text, unless they say otherwise."""

from pathlib import Path

import jinja2

from reports import text


def template(name: str) -> jinja2.Template:
    """A template of this folder."""
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "decimal": text.decimal,
        "month": text.month,
        "name": text.clean,
        "rate": text.rate,
        "slug": text.slug,
        "whole": text.whole,
    }
    return environment.get_template(name)
