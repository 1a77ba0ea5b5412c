"""Text for the cards, which are Markdown."""

from __future__ import annotations


def cell(text: str) -> str:
    """A name inside a table, whatever signs it has."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
