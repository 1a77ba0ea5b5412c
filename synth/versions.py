"""Versions of everything that the bytes of an output depend on."""

import importlib.metadata
import platform
from collections.abc import Sequence

PIXELS = ("numpy", "opencv-python-headless", "pillow", "simplejpeg", "albumentations")
NETWORKS = ("numpy", "opencv-python-headless", "scikit-learn", "torch")


def versions(libraries: Sequence[str] = PIXELS) -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries."""
    found = {"synth": importlib.metadata.version("synth-images"), "python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in libraries}
