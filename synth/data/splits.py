"""Which split a word means: the name of a folder, or a cell of a table's split column.

The words are those of Hugging Face `datasets`, in any case, alone or with common additions: `train_images`, `test_set`,
`val2017`.
"""

import re
import unicodedata

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""{word of Hugging Face `datasets`: train, val or test}."""
_HELD_OUT = dict.fromkeys(("holdout", "heldout"), "test")
_WORDS = {**SPLIT_WORDS, **_HELD_OUT}
_IN_FILE_NAME = re.compile(rf"(?:^|[-._ 0-9])(?:{'|'.join(SPLIT_WORDS)})[-._ 0-9]")
_ADDITIONS = "set data dataset split folder images image imgs img files pictures photos samples examples".split()
_JOINED = re.compile(rf"({'|'.join(sorted(_WORDS, key=len, reverse=True))})({'|'.join(_ADDITIONS)})?")


def split_of(name: str) -> str | None:
    """Return the split that a name means: train, val or test; None if it has other words too, or none of a split."""
    words = _words_of(name)
    splits = {_split_of_word(word) for word in words if word not in _ADDITIONS}
    return splits.pop() if len(splits) == 1 and None not in splits else _split_of_word("".join(words))  # hold-out


def split_hint(name: str) -> str | None:
    """Return the split that a name with other words looks like: test for "seg_test" and "test tube"; None for no split.

    Hugging Face `datasets` takes such a folder for a split.
    """
    splits = {SPLIT_WORDS[word] for word in _words_of(name) if word in SPLIT_WORDS}
    return splits.pop() if len(splits) == 1 and split_of(name) is None else None


def has_split_word(file_name: str) -> bool:
    """Whether Hugging Face `datasets` takes a file for one of a split, in a dataset without split folders."""
    return _IN_FILE_NAME.search(file_name) is not None


def known_elsewhere(name: str) -> bool:
    """Whether Hugging Face `datasets` takes a folder of this name for the same split; it knows lower case only."""
    words = re.split(r"[-._ 0-9]+", name)
    return split_of(name) in {SPLIT_WORDS.get(word) for word in words}


def _words_of(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", name).casefold())


def _split_of_word(word: str) -> str | None:
    match = _JOINED.fullmatch(word)
    return _WORDS[match[1]] if match else None
