"""Access to the pixels and files of real images."""

from synth.data import images
from synth.data.images import Decoded
from synth.data.levels import kind_of
from synth.errors import GeneratorError, ImageError
from synth.records import Alpha, Item, Pixels
from synth.settings.recipe import Data

CACHE_BYTES = 64 * 2**20


class Originals:
    """Decodes originals, and caches the most recently used ones up to a limit in bytes."""

    def __init__(self, settings: Data) -> None:
        self._settings = settings
        self._kept: dict[str, Decoded] = {}
        self._bytes = 0

    def pixels(self, item: Item) -> Pixels:
        """Return the pixels of an original, read-only.

        Raises:
            GeneratorError: the file can no longer be read or decoded.
        """
        return self._decoded(item).pixels

    def alpha(self, item: Item) -> Alpha | None:
        """Return the transparency of an original; None if it has none. Raises as `pixels`."""
        return self._decoded(item).alpha

    def _decoded(self, item: Item) -> Decoded:
        kept = self._kept.pop(item.path, None)
        decoded = self._read(item) if kept is None else kept
        self._kept[item.path] = decoded  # the end of a dict is the most recently used
        self._bytes += _size(decoded) if kept is None else 0
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            self._bytes -= _size(self._kept.pop(next(iter(self._kept))))
        return decoded

    def _read(self, item: Item) -> Decoded:
        form = item.encoding
        try:
            decoded = images.decode(
                read_file(item),
                self._settings,
                levels={kind_of(form.mode): form.levels},
                merge_channels=form.equal_channels,
            )
        except ImageError as error:
            raise GeneratorError(f"{item.id}: {error}; it was readable before: did the file change?") from None
        decoded.pixels.flags.writeable = False
        return decoded


def _size(decoded: Decoded) -> int:
    """Return the bytes of a decoded image in memory."""
    return decoded.pixels.nbytes + (0 if decoded.alpha is None else decoded.alpha.nbytes)


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
