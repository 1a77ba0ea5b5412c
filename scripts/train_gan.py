#!/usr/bin/env python3
"""Train the conditional GAN. This is the same command as `synth train gan`, as a script.

scripts/train_gan.py --help
scripts/train_gan.py lights lamps --recipe models/recipes/gan-32.toml
torchrun --nproc-per-node 2 scripts/train_gan.py lights lamps
"""

import sys

from synth.cli import app as cli

if __name__ == "__main__":
    sys.argv[1:1] = ["train", "gan"]
    cli.main()
