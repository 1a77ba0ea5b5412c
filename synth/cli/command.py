"""From a plain function to a typer command: option groups become options, Ctrl-C is answered, a status is returned."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from synth.cli import console

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def as_command(function: Callable[..., int | None], *, resumes: bool) -> Callable[..., None]:
    """Return `function` in the form that typer reads.

    A parameter whose type is a dataclass is a group of options: each field becomes an option of the command.

    Args:
        function: a command; it returns its exit status, or None for 0.
        resumes: the same command continues after an interruption.
    """
    groups: dict[str, type[DataclassInstance]] = {}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        kind = parameter.annotation
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            groups[parameter.name] = kind
            flat += inspect.signature(kind, eval_str=True).parameters.values()
        else:
            flat.append(parameter)

    @functools.wraps(function)
    def command(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})
        with console.interruptible(resumes=resumes):
            status = function(**values)
        raise typer.Exit(status or 0)

    command.__annotations__ = {}  # the signature has them; typer would evaluate both
    keyword_only = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in flat]
    command.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    return command
