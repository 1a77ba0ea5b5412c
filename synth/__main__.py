"""`python -m synth`: the same as the command `synth`."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C ends it with one line, also while it is still being imported."""
    try:
        from synth.cli.app import main as run  # takes a while

        run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
