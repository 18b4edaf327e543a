"""What becomes of personal values, as expressions. They run in the first SELECT that reads them.

A pseudonym is keyed (HMAC-SHA256, hex): the warehouse supplies it as a function, because the key
must not be part of an expression (it would be in SQL text).
"""

from collections.abc import Callable

import ibis
from ibis.expr.types import StringValue

Pseudonym = Callable[[StringValue], StringValue]

_NUMBER_OR_TIMESTAMP = r"^[0-9][-+0-9:. TZ]*$"


def masked_name(name: StringValue) -> StringValue:
    """Initials: "Jane van Doe" -> "J*** v*** D***"."""
    return name.strip().re_replace(r"(\S)\S*", r"\1***").re_replace(r"\s+", " ").nullif("")


def email_hash(email: StringValue, pseudonym: Pseudonym) -> StringValue:
    """Pseudonym of the address, trimmed and in lower case."""
    return pseudonym(email.strip().lower())


def masked_log_value(value: StringValue, pseudonym: Pseudonym) -> StringValue:
    """Numbers and timestamps stay; any other text of the change log may be personal ("~" + hex)."""
    masked = "~" + pseudonym(value).substr(0, 16)
    return ibis.cases((value.re_search(_NUMBER_OR_TIMESTAMP), value), (value.strip() != "", masked))
