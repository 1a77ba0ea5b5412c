"""The command line as a whole: which commands there are, and how an error ends."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from synth.cli import console, data, generating, judging, maintaining, training, trials
from synth.cli.command import as_command
from synth.errors import LONGEST, SynthError, shortened

app = typer.Typer(
    help="Fill rare classes of an image dataset with new images, and measure whether they help.",
    epilog="Start with: synth inspect DATA, then synth plan DATA, then synth generate DATA OUT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts three times as fast
    context_settings={"help_option_names": ["-h", "--help"]},
)
train = typer.Typer(help="Train a network and save it as a bundle.", no_args_is_help=True)
COMMANDS: tuple[Callable[..., int | None], ...] = (
    data.inspect,
    data.weights,
    generating.plan,
    generating.preview,
    generating.generate,
    generating.undersample,
    judging.policy,
    judging.check,
    trials.trial,
    maintaining.report,
    maintaining.verify,
    maintaining.undo,
    generating.recipe,
    generating.demo,
)
WRONG_USAGE: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""typer's class of all errors about arguments and options, which it does not export."""
TRAININGS: tuple[Callable[..., int | None], ...] = (training.classifier, training.autoencoder, training.gan)
RESUMED = {
    generating.generate,
    generating.undersample,
    generating.demo,
    judging.check,
    trials.trial,
    maintaining.undo,
}
"""Commands that continue what was interrupted, as every training does; the others start anew."""
for _command in COMMANDS:
    app.command()(as_command(_command, resumes=_command in RESUMED))
for _command in TRAININGS:
    train.command()(as_command(_command, resumes=True))
app.add_typer(train, name="train")


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as version_of

        console.say(version_of("synth-images"))
        raise typer.Exit


def main() -> None:
    """Run the command line. An error is one line on standard error, with --json also a document, and an exit status."""
    try:
        status = app(standalone_mode=False)
    except SynthError as error:
        status = _fail(error.args[0], error.exit_status)
    except typer.Abort as error:  # click's word for Ctrl-C, and for an input that ends too early
        if not isinstance(error.__cause__, EOFError):
            raise KeyboardInterrupt from None
        status = _fail(f"an input ended too early: {error.__cause__}", 1)
    except OSError as error:
        where = f"{error.filename2 or error.filename}: " if error.filename else ""
        status = _fail(f"{where}{error.strerror or error}", 1)
    except WRONG_USAGE as error:
        message = error.format_message()
        if error.ctx and message == error.ctx.get_help():  # a command that can't run without arguments shows its help
            error.show()
            status = error.exit_code
        else:
            where = error.ctx.command_path if error.ctx else "synth"
            status = _fail(f"{message.rstrip('.').replace('Value error, ', '')} (see {where} --help)", error.exit_code)
    sys.exit(status)


def _fail(message: str, status: int) -> int:
    line = shortened(" ".join(message.split()), LONGEST)
    console.note(f"synth: {line}")
    if "--json" in sys.argv:
        console.print_json({"error": line, "exit_status": status})
    return status


if __name__ == "__main__":
    main()
