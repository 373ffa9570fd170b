"""HTML built as values: what is text is escaped, what is markup is of a type of its own."""

from html import escape

# Elements with nothing inside. Shapes are none of HTML's own, so theirs is said by a slash.
_VOID = {"meta", "rect", "line"}


class Html(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float) -> Html:
    """One element. Children that are not `Html` are text; `class_` is written `class`.

    Underscores in the names of attributes are hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{together(*children)}</{name}>")


def together(*children: str) -> Html:
    """One after the other."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))
