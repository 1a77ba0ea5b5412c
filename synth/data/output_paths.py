"""Paths of real images in an output folder: each directly in its class folder, under a name of its own.

Hugging Face `datasets` takes the innermost folder for the class, so an output has no folders inside class folders.
"""

import hashlib
import os
import unicodedata

NAME_BYTES = 255
"""Longest file name of common file systems, in UTF-8."""


class OutputPaths:
    """Gives each image a path that no other has, also on systems that ignore case or Unicode normal form."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def keep(self, path: str) -> str:
        """Return a path as it is: that of an image that lies in its class folder already."""
        self._taken.add(folded(path))
        return path

    def flat(self, folder: str, below: str, *, id: str) -> str:
        """Return a path in `folder`: cam1/000.png becomes cam1-000.png, with a hash of the id if that is taken."""
        name = below.replace("/", "-")
        if len(name.encode()) > NAME_BYTES or folded(f"{folder}/{name}") in self._taken:
            ending = f"-{hashlib.sha256(id.encode()).hexdigest()[:8]}{os.path.splitext(name)[1]}"
            name = name.encode()[: NAME_BYTES - len(ending.encode())].decode(errors="ignore") + ending
        return self.keep(f"{folder}/{name}")


def folded(path: str) -> str:
    """Return a path as a system sees it that ignores case and Unicode normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
