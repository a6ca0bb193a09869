"""`rnnmuse models`: list, show and verify bundles."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rnnmuse.cli.command import DAMAGED, App, Json, examples, show_json

app = App(help="List, show and verify the models.", invoke_without_command=True)


@app.callback()
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models, or with a command show and verify them."""
    if context.invoked_subcommand is None:
        list_(as_json)


@app.command("list")
@examples("rnnmuse models", "rnnmuse models list --json")
def list_(as_json: Json = False) -> None:
    """List every model that can be named, shipped and your own."""
    from rnnmuse.models.bundle import broken, bundles, user_folder

    found, wrong = bundles(), broken()
    if as_json:
        listed = [{"name": b.name, "bytes": b.bytes, "folder": b.folder, **b.about} for b in found.values()]
        for entry in listed:
            entry |= {"broken": wrong.pop(str(entry["name"]))} if entry["name"] in wrong else {}
        show_json([*listed, *({"name": name, "broken": why} for name, why in wrong.items())])
        return
    for name, why in wrong.items():
        print(f"{name:<14}broken  {why.removeprefix(f'{name}: ')}")
    for bundle in found.values():
        if bundle.name in wrong:
            continue
        parts = ", ".join(part["name"] for part in bundle.about.get("parts", ())[:4]) or bundle.about.get("kind", "")
        more = len(bundle.about.get("parts", ())) - 4
        own = " (yours)" if bundle.folder.parent == user_folder() else ""
        print(f"{bundle.name:<14}{bundle.bytes / 1e6:5.1f} MB  {parts}{f' and {more} more' if more > 0 else ''}{own}")
        if about := bundle.about.get("about"):
            print(f"{'':<14}{about}")
    if not found:
        print("none yet; `rnnmuse train stream FOLDER --name mine` makes one")


@app.command()
@examples("rnnmuse models show lieder")
def show(name: Annotated[str, typer.Argument(help="The model.")]) -> None:
    """Show the card of a model: what it is, what it learned from, how well it does."""
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
@examples("rnnmuse models verify lieder")
def verify(name: Annotated[str | None, typer.Argument(help="The model; without it, every model.")] = None) -> None:
    """Check the hashes, shapes and finite weights of models."""
    from rnnmuse.errors import BundleError
    from rnnmuse.models.bundle import broken, bundles, find, load

    if name:
        load(find(name))
        print(f"{name}: ok")
        return
    wrong = broken()
    for bundle in bundles().values():
        try:
            load(bundle)
        except BundleError as error:
            wrong[bundle.name] = str(error)
        else:
            print(f"{bundle.name}: ok")
    for other, why in wrong.items():
        print(f"{other}: WRONG {why.removeprefix(f'{other}: ')}")
    if wrong:
        raise typer.Exit(DAMAGED)
