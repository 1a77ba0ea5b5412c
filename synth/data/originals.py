"""Access to the pixels and files of real images."""

from synth.data import images
from synth.errors import GeneratorError, ImageError
from synth.records import Item, Pixels
from synth.settings.recipe import Data

CACHE_BYTES = 64 * 2**20


class Originals:
    """Decodes originals, and caches the most recently used ones up to a limit in bytes."""

    def __init__(self, settings: Data) -> None:
        self._settings = settings
        self._kept: dict[str, Pixels] = {}
        self._bytes = 0

    def pixels(self, item: Item) -> Pixels:
        """Return the pixels of an original, read-only.

        Raises:
            GeneratorError: the file can no longer be read or decoded.
        """
        kept = self._kept.pop(item.path, None)
        pixels = self._read(item) if kept is None else kept
        self._kept[item.path] = pixels  # the end of a dict is the most recently used
        self._bytes += pixels.nbytes if kept is None else 0
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.pop(next(iter(self._kept))).nbytes
        return pixels

    def _read(self, item: Item) -> Pixels:
        try:
            pixels = images.decode(read_file(item), self._settings).pixels
        except ImageError as error:
            raise GeneratorError(f"{item.id}: {error}; it was readable before: did the file change?") from None
        pixels.flags.writeable = False
        return pixels


def read_file(item: Item) -> bytes:
    """Return the bytes of the file of an original.

    Raises:
        GeneratorError: it can no longer be read.
    """
    try:
        with open(item.path, "rb") as file:
            return file.read()
    except OSError as error:
        raise GeneratorError(f"{item.id}: {error.strerror}; it was readable before: did the file change?") from None
