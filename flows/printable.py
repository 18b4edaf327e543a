"""Text of others, such as names of folders and columns, as it can be shown."""


def printable(text: str) -> str:
    """One line, without signs that a terminal obeys or does not show."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def printable_lines(text: str) -> str:
    """The same of several lines."""
    return "\n".join(map(printable, text.split("\n")))
