"""What every command shares: groups, examples, described arguments, renamed options, `--json`, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import click
import typer
from typer.core import TyperCommand, TyperGroup
from typer.utils import get_params_from_function

PLAY = "Play live"
WRITE = "Write music"
WORDS = "Words"
PICTURES = "Pictures"
LEARN = "Learn from your own files"
SETUP = "Set up and look into"

OK = 0
DAMAGED = 1
WRONG = 2
INTERNAL = 70
STOPPED = 130
EXIT_CODES = {
    OK: "done",
    DAMAGED: "a check found something: a damaged model, a copied run, a changed or missing record",
    WRONG: "something in the command or its files is wrong; one line says what",
    INTERNAL: "a fault of rnnmuse's own; RNNMUSE_DEBUG=1 shows where",
    STOPPED: "stopped by Ctrl-C",
}
"""The exit codes of every command, with their meaning."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]

F = TypeVar("F", bound=Callable[..., Any])


def examples(*lines: str) -> Callable[[F], F]:
    """Give a command examples: whole command lines, shown at the end of its help and run by the tests."""

    def add(function: F) -> F:
        function.__dict__["examples"] = lines
        return function

    return add


def renamed(**options: str) -> Callable[[F], F]:
    """Keep former names of options, without dashes and with ``_`` for ``-``: each still works and warns."""

    def add(function: F) -> F:
        function.__dict__["renamed"] = {f"--{old.replace('_', '-')}": new for old, new in options.items()}
        return function

    return add


class Command(TyperCommand):
    """A command whose help has its examples and describes its arguments, and that takes former names of options."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        shown = _own(self, "examples", ())
        if shown:
            self.epilog = "\n\n".join(("Examples:", *(f"  {line}" for line in shown)))
        _describe(self)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        former: dict[str, str] = _own(self, "renamed", {})
        return super().parse_args(ctx, [_current(word, former) for word in args])


class Group(TyperGroup):
    """A group of commands, in the order in which they were added."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if hasattr(click.exceptions, "NoSuchCommand"):  # from click 8.4 on it says itself which command was meant
            self.suggest_commands = False
        _describe(self)


class App(typer.Typer):
    """A Typer whose commands are `Command`, whose groups are `Group`, and where ``-h`` is ``--help``."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("cls", Group)
        options.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(rich_markup_mode="rich", **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        options.setdefault("cls", Command)
        options.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        return super().command(name, **options)


def _own(command: click.Command, name: str, default: Any) -> Any:
    return getattr(command.callback, "__dict__", {}).get(name, default)


def _describe(command: click.Command) -> None:
    """Give each argument its help again: from click 8.4 on, `click.Argument` takes the one that Typer set away."""
    if command.callback is None:
        return
    known = get_params_from_function(command.callback)
    for param in command.params:
        if isinstance(param, click.Argument) and param.name in known and not getattr(param, "help", None):
            param.help = getattr(known[param.name].default, "help", None)


def _current(word: str, former: dict[str, str]) -> str:
    """A word of a command line, with the former name of an option replaced and its use warned of."""
    option, equals, value = word.partition("=")
    if option not in former:
        return word
    print(f"rnnmuse: {option} is now {former[option]}", file=sys.stderr)
    return f"{former[option]}{equals}{value}"


def show_json(found: Any) -> None:
    """Print a result as JSON on stdout, Unicode as it is."""
    print(json.dumps(found, ensure_ascii=False, indent=2, default=str))


@contextmanager
def progress(doing: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr where that is a terminal; yields a function that takes the share done, 0 to 1.

    Until the function is called, the bar only shows that work goes on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda share: bar.update(task, total=1.0, completed=share)


def commands(command: click.Command, path: Sequence[str] = ("rnnmuse",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below ``command`` with its words, groups before what they hold; hidden ones are left out."""
    yield tuple(path), command
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            if not one.hidden:
                yield from commands(one, (*path, name))
