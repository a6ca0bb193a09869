"""`rnnmuse models`: list, show and verify bundles."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="List, show and verify the models.", invoke_without_command=True)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models when no more is asked."""
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_() -> None:
    """Every model that can be named, shipped and your own."""
    from rnnmuse.models.bundle import bundles, user_folder

    found = bundles()
    for bundle in found.values():
        parts = ", ".join(part["name"] for part in bundle.about.get("parts", ())[:4]) or bundle.about.get("kind", "")
        more = len(bundle.about.get("parts", ())) - 4
        own = " (yours)" if bundle.folder.parent == user_folder() else ""
        print(f"{bundle.name:<14}{bundle.bytes / 1e6:5.1f} MB  {parts}{f' and {more} more' if more > 0 else ''}{own}")
        if about := bundle.about.get("about"):
            print(f"{'':<14}{about}")
    if not found:
        print("none yet; `rnnmuse train stream FOLDER --name mine` makes one")


@app.command()
def show(name: Annotated[str, typer.Argument(help="The model.")]) -> None:
    """The card of a model."""
    from rnnmuse.models.bundle import find

    bundle = find(name)
    card = bundle.folder / "card.md"
    if card.exists():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(card.read_text("utf-8")))
    else:
        print(json.dumps(bundle.about, indent=2))
    print(f"in {bundle.folder}")


@app.command()
def verify(name: Annotated[str | None, typer.Argument(help="The model; every one without.")] = None) -> None:
    """Check hashes, shapes and finiteness."""
    from rnnmuse.models.bundle import bundles, find, load_cover, load_phrase, load_stream, load_text
    from rnnmuse.models.bundle import verify as check

    for bundle in [find(name)] if name else bundles().values():
        check(bundle)
        if bundle.about.get("kind") == "stream":
            load_stream(bundle.name)
        elif bundle.about.get("kind") == "text":
            load_text(bundle.name)
        elif bundle.about.get("kind") == "phrase":
            load_phrase(bundle.name)
        elif bundle.about.get("kind") == "cover":
            load_cover(bundle.name)
        print(f"{bundle.name}: ok")
