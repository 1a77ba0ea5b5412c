"""Random numbers as a pure function of (run seed, class, stream, attempt).

Philox is a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): the key names
the stream, and the counter is the attempt. So attempt 17 gets the same numbers whether it is drawn alone, in a chunk of
64, first or last. Each effect has its own stream: effects are independent, and a new effect changes no other's draws.
"""

import hashlib

import numpy as np
import numpy.typing as npt

DRAWS_PER_COUNT = 4  # Philox gives four 64-bit numbers for each value of its counter


def _key(seed: int, label: str, stream: str) -> npt.NDArray[np.uint64]:
    digest = hashlib.sha256(f"{seed}\0{label}\0{stream}".encode("utf-8", "surrogateescape")).digest()
    return np.frombuffer(digest[:16], np.uint64)


def uniforms(seed: int, label: str, *, stream: str, attempts: range, n_draws: int) -> npt.NDArray[np.float64]:
    """Draw `n_draws` numbers for each attempt of a range of step 1.

    Returns: (len(attempts), n_draws) float64, uniform in [0, 1).
    """
    counts = -(-n_draws // DRAWS_PER_COUNT)
    philox = np.random.Philox(key=_key(seed, label, stream), counter=[attempts.start * counts, 0, 0, 0])
    raw = philox.random_raw(len(attempts) * counts * DRAWS_PER_COUNT)
    bits = (raw >> np.uint64(11)).astype(np.float64)
    return bits.reshape(len(attempts), -1)[:, :n_draws] * 2.0**-53


def generator(seed: int, label: str, *, stream: str, attempt: int) -> np.random.Generator:
    """Return a NumPy generator for one attempt, for code that does not know in advance how many numbers it needs."""
    return np.random.Generator(np.random.Philox(key=_key(seed, label, stream), counter=[0, attempt, 0, 0]))


def permutation(seed: int, label: str, *, stream: str, attempt: int, n: int) -> npt.NDArray[np.intp]:
    """Return a random order of 0..n-1, by sorting random integers: the same in every version of NumPy."""
    draws = generator(seed, label, stream=stream, attempt=attempt).bit_generator.random_raw(n)
    return np.argsort(draws, kind="stable")


def derived(seed: int, name: str) -> int:
    """Derive another seed for `name`."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:7], "big")
