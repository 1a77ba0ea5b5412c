"""Count how often a trial reports a difference between two equal arms: the same arm twice, with other random draws.

    python scripts/bench/aa.py DATA [--seeds 20] [--steps 100] [--splits 5] [--keep yellow=5]

Each seed is a trial with its own splits and first weights. The script prints the difference of macro-F1 of each trial
with its interval. At the end it prints how many trials said "no difference" in macro-F1, and in every class too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import synth
from synth import workers
from synth.settings.recipe import parse_target
from synth.trials.results import SAME


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--arm", default="duplicate+online")
    parser.add_argument("--keep", default="")
    options = parser.parse_args()
    dataset = synth.open_dataset(options.data)
    settings = {
        "classifier.steps": options.steps,
        "trial.budgets": [1.0],
        "trial.splits": options.splits,
        "trial.control": options.arm,
        "trial.keep": parse_target(options.keep) if options.keep else {},
    }
    same = same_everywhere = 0
    for seed in range(options.seeds):
        recipe = synth.load_recipe(None, {**settings, "seed": seed})
        with tempfile.TemporaryDirectory() as folder:
            arms = [options.arm, f"{options.arm}#2"]
            verdict = synth.trial(dataset, arms, recipe, Path(folder) / "out", n_workers=workers.n_cores())
        macro = verdict.deciding.macro(arms[1])
        assert macro is not None
        same += macro.verdict == SAME
        same_everywhere += all(found.verdict == SAME for found in verdict.deciding.comparisons)
        bounds = "" if macro.delta.interval is None else "{:+.3f} to {:+.3f}".format(*macro.delta.interval)
        print(f"seed {seed:3}  {macro.gain:+.3f}  {bounds}  {macro.verdict}", flush=True)
    print(f"no difference in macro-F1: {same} of {options.seeds}; in every class too: {same_everywhere}")


if __name__ == "__main__":
    main()
