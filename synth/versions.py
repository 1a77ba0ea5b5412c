"""Versions of all that decides about bytes."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence

PIXELS = ("numpy", "opencv-python-headless", "pillow", "simplejpeg", "albumentations")
NETWORKS = ("numpy", "opencv-python-headless", "scikit-learn", "torch")


def versions(libraries: Sequence[str] = PIXELS) -> dict[str, str]:
    """Versions of this package, of Python and of some libraries."""
    found = {"synth": importlib.metadata.version("synth-images"), "python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in libraries}
