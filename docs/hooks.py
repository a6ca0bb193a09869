"""What `mkdocs build` adds to the pages: the reference of the command line, and plain text for links into the code."""

from __future__ import annotations

import re
from typing import Any

import click
import typer
from mkdocs.structure.files import File

from rnnmuse.cli.command import EXIT_CODES, commands
from rnnmuse.cli.main import app


def on_files(files: Any, config: Any) -> Any:
    """Add the page of the command line."""
    files.append(File.generated(config, "command-line.md", content=command_line()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to files outside docs/ become the names of these files: the site stands alone."""
    depth = page.file.src_uri.count("/") + 1
    return re.sub(r"\[([^\]]*)\]\(" + r"\.\./" * depth + r"(?!\.\./)([^)#]+)(?:#[^)]*)?\)", r"\1 (`\2`)", markdown)


def command_line() -> str:
    """Every command with its arguments, options and examples, from the code."""
    lines = ["# Command line", "", "This page is made from the code; `rnnmuse COMMAND -h` prints the same.", ""]
    lines += ["| exit code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    for words, command in commands(typer.main.get_command(app)):
        lines += ["", f"{'#' * min(4, len(words) + 1)} `{' '.join(words)}`", "", command.help or ""]
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
        if arguments:
            lines += ["", "| argument | meaning |", "| --- | --- |"]
            lines += [f"| `{(p.name or '').upper()}` | {_cell(getattr(p, 'help', ''))} |" for p in arguments]
        if options:
            lines += ["", "| option | meaning | default |", "| --- | --- | --- |"]
            lines += [f"| {_names(p)} | {_cell(p.help)} | {_default(p)} |" for p in options]
        shown = getattr(command.callback, "__dict__", {}).get("examples", ())
        if shown:
            lines += ["", "```sh", *shown, "```"]
    return "\n".join(lines) + "\n"


def _names(option: click.Option) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: click.Option) -> str:
    value = option.default
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != ""
    return f"`{value}`" if plain else ""


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")
