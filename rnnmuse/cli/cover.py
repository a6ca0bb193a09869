"""`rnnmuse cover`: pictures for music, still and moving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnmuse.cli.command import App, Group, examples, renamed
from rnnmuse.cli.files import Force, NoProvenance, unmarked
from rnnmuse.cli.workers import Count, Scheduler, WorkerCount, only_with_count, run_batch

if TYPE_CHECKING:
    from rnnmuse.compose.batch import Work
    from rnnmuse.cover.picture import Design


class _DrawFirst(Group):
    """`rnnmuse cover FILE` is `rnnmuse cover draw FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["draw", *args]
        return super().parse_args(ctx, args)


app = App(help="A cover for a piece, or loops that move with it.", cls=_DrawFirst, no_args_is_help=True)

File = Annotated[
    Path | None, typer.Argument(help="The music: MIDI, MusicXML, ABC or kern; without it, the seed decides.")
]
Seed = Annotated[int | None, typer.Option(help="The same piece and seed give the same picture.")]
Model = Annotated[str, typer.Option(help="The model that draws; `rnnmuse models` lists them.")]
Title = Annotated[str, typer.Option(help="The title on the cover.")]
Artist = Annotated[str, typer.Option(help="The artist, below the title.")]
Mood = Annotated[str, typer.Option(help="calm, stormy, dark, bright, warm, cold, colourful, muted, dreamy; a+b joins.")]
Look = Annotated[str, typer.Option(help="Print look: screen, riso, lino, geometric, gradient or paint.")]
Palette = Annotated[
    str, typer.Option(help='A palette such as "sea", inks or colours ("bone,indigo,#e05040"), or "picture".')
]
Style = Annotated[str, typer.Option(help="Style of the letters: auto, serif or sans.")]
Layout = Annotated[str, typer.Option(help="Layout of the text: auto, corner, band, stack or column.")]
Place = Annotated[str, typer.Option(help="Where the text is: auto, bottom, top, centre.")]
Font = Annotated[Path | None, typer.Option(help="Your own font file for the title.")]
Strength = Annotated[float, typer.Option(help="How strongly the music affects the picture, 0 to 3.")]


@app.command()
@examples(
    'rnnmuse cover song.mid --title "Night Trains" --artist "Anna K." --size 300',
    "rnnmuse cover draw --seed 4 --look riso --size 300 --out riso.png",
    "rnnmuse cover draw --count 2 --size 300 --out covers --workers 1",
)
def draw(
    file: File = None,
    seed: Seed = None,
    model: Model = "covers",
    title: Title = "",
    artist: Artist = "",
    out: Annotated[
        Path | None, typer.Option(help="The file: .jpg, .png, .svg or .pdf; else out/NAME-cover.jpg.")
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the square format in pixels, 64 to 10000.")] = 3000,
    formats: Annotated[str, typer.Option(help="square, banner, story; several with commas.")] = "square",
    grid: Annotated[
        str | None, typer.Option(help="A sheet of small covers to choose from, in columns x rows such as 4x4.")
    ] = None,
    variations: Annotated[int, typer.Option(help="How many covers to draw, with consecutive seeds.")] = 1,
    trim: Annotated[float, typer.Option(help="Width of a PDF after trimming, in mm; 3 mm of bleed are added.")] = 120.0,
    mood: Mood = "",
    look: Look = "screen",
    palette: Palette = "",
    strength: Strength = 1.0,
    style: Style = "auto",
    layout: Layout = "auto",
    place: Place = "auto",
    font: Font = None,
    no_provenance: NoProvenance = False,
    count: Count = None,
    scheduler: Scheduler = None,
    workers: WorkerCount = None,
    force: Force = False,
) -> None:
    """Draw the cover of a piece, 3000 x 3000 px, with title and artist.

    With --count FILE may be a folder: the covers of its first pieces, then of the next seeds.
    """
    only_with_count(count, scheduler, workers)
    from rnnmuse.cover.composition import compose
    from rnnmuse.cover.picture import (
        ENDINGS,
        FORMATS,
        VECTORS,
        check_ending,
        contact_sheet,
        described,
        made_of,
        parse_formats,
        parse_grid,
        picture_of,
        printed,
        sheet_of,
        write,
    )  # fmt: skip
    from rnnmuse.cover.vector import write_vector
    from rnnmuse.models.bundle import load_cover

    names = parse_formats(formats)
    cells = parse_grid(grid) if grid is not None else None
    if not 1 <= variations <= 64:
        raise ValueError(f"variations: {variations}; must be 1 to 64")
    if not 64 <= size <= 10_000:
        raise ValueError(f"size: {size}; must be 64 to 10000")
    settings = {"mood": mood, "look": look, "palette": palette, "strength": strength, "title": title, "artist": artist,
                "style": style, "layout": layout, "place": place, "font": font}  # fmt: skip
    if count is not None:
        if cells is not None or variations != 1 or names != ["square"]:
            raise ValueError("count: draws one square cover a file; leave --grid, --variations and --formats out")
        works, seen = _works(count, file, seed, model, size, settings, not unmarked(no_provenance))
        run_batch(works, out or Path("out") / "covers", scheduler, workers, force, seen=seen)
        return
    if out is not None:
        check_ending(out, ENDINGS if cells is not None else (*ENDINGS, *VECTORS))
    design = _design(file, seed, **settings)
    loaded = load_cover(model)
    plain = unmarked(no_provenance)
    path = out or Path("out") / f"{file.stem if file is not None else f'seed-{design.seed}'}-cover.jpg"
    with _bar() as bar:
        if cells is not None:
            task = bar.add_task("drawing", total=1.0)
            choice = contact_sheet(loaded, design, *cells, progress=lambda done: bar.update(task, completed=done))
            path = path.with_stem(f"{path.stem}-grid") if out is None else path
            print(write(choice, path, made=None if plain else made_of(loaded, design, "contact sheet")) or path)
            return
        for index in range(variations):
            one = design.with_seed((design.seed + index) % 2**31)
            for name in names:
                width, height = (size, size) if name == "square" else FORMATS[name]
                task = bar.add_task(f"drawing {name}", total=1.0)

                def drawn(done: float, task: Any = task) -> None:
                    bar.update(task, completed=done)

                sheet = sheet_of(one, compose(picture_of(loaded, one)), width, height)
                where = path.with_stem("-".join([path.stem, *([str(one.seed)] if variations > 1 else []),
                                                 *([name] if len(names) > 1 else [])]))  # fmt: skip
                record = None if plain else made_of(loaded, one)
                if where.suffix.lower() in VECTORS:
                    write_vector(sheet, where, described(loaded, one), trim, record)
                    inks = ", ".join(f"{ink.name} {'/'.join(map(str, ink.cmyk))}" for ink in sheet.made.inks)
                    print(f"{where}  {width} x {height}, seed {one.seed}, inks {inks}")
                    continue
                image, lettering = printed(sheet, one.seed, progress=drawn)
                warning = write(image, where, described(loaded, one), record)
                text = f", text at {lettering.contrast:.1f} : 1" if lettering else ""
                print(f"{where}  {width} x {height}, seed {one.seed}{text}")
                if warning:
                    print(warning)


def _works(
    count: int, file: Path | None, seed: int | None, model: str, size: int, settings: dict[str, Any], marked: bool
) -> tuple[list[Work], list[Path]]:
    """The covers of a batch, and what every worker must see for them."""
    from rnnmuse.compose.batch import Picture
    from rnnmuse.cover.picture import Design, check_seed
    from rnnmuse.models.bundle import find
    from rnnmuse.music.read import music_files

    if count < 1:
        raise ValueError(f"count: {count}; must be at least 1")
    first = 1 if seed is None else seed
    check_seed(first)
    Design(first, **settings)  # checks them
    pieces = [] if file is None else music_files(file.resolve())
    if file is not None and not pieces:
        raise ValueError(f"{file}: no music files in it")
    digest, asked = find(model).digest, tuple(settings.items())
    works: list[Work] = []
    for index in range(count):
        piece = pieces[index % len(pieces)] if pieces else None
        own = (first + index // max(1, len(pieces))) % 2**31 if pieces else (first + index) % 2**31
        stem = "seed" if piece is None or file is None else (
            piece.relative_to(file.resolve()).with_suffix("").as_posix().replace("/", "-")
            if file.is_dir() else piece.stem
        )  # fmt: skip
        works.append(Picture(f"{stem}-{own}.jpg", model, digest, own, size, asked, piece, marked))
    return works, [] if file is None else [file]


@app.command()
@examples("rnnmuse cover sheet song.mid beat.mid --cell 100 --columns 2")
def sheet(
    files: Annotated[list[Path], typer.Argument(help="Up to 144 pieces; each gets its own cover.")],
    seed: Seed = None,
    model: Model = "covers",
    titles: Annotated[
        Path | None,
        typer.Option(help='A text file with a line "title | artist" for each piece; else the pieces\' own.'),
    ] = None,
    columns: Annotated[int, typer.Option(help="Covers in a row, 1 to 12.")] = 4,
    cell: Annotated[int, typer.Option(help="Side of each cover in pixels, 64 to 1000.")] = 300,
    out: Annotated[Path, typer.Option(help="The file, .png or .jpg.")] = Path("out/sheet.jpg"),
    mood: Mood = "",
    look: Look = "screen",
    palette: Palette = "",
    strength: Strength = 1.0,
    style: Style = "auto",
    layout: Layout = "auto",
    place: Place = "auto",
    font: Font = None,
    no_provenance: NoProvenance = False,
) -> None:
    """The covers of several pieces on one sheet, with their titles."""
    from rnnmuse.cover.picture import check_ending, design_for, gallery, made_of, read_titles, write
    from rnnmuse.models.bundle import load_cover
    from rnnmuse.music.read import read_music

    for name, value, low, high in (
        ("columns", columns, 1, 12),
        ("cell", cell, 64, 1000),
        ("files", len(files), 1, 144),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name}: {value}; must be {low} to {high}")
    check_ending(out)
    given = read_titles(titles, len(files)) if titles is not None else [("", "")] * len(files)
    loaded = load_cover(model)
    designs = []
    with _bar() as bar:
        task = bar.add_task("reading", total=len(files))
        for file, (title, artist) in zip(files, given, strict=True):
            piece = read_music(file)
            title = title or (piece.title.strip() or file.stem.replace("_", " "))[:200]
            designs.append(design_for(piece, seed, mood=mood, look=look, palette=palette, strength=strength,
                                      title=title, artist=artist, style=style, layout=layout, place=place,
                                      font=font))  # fmt: skip
            bar.advance(task)
        task = bar.add_task("drawing", total=1.0)
        made = gallery(loaded, designs, columns, cell, progress=lambda done: bar.update(task, completed=done))
    record = None if unmarked(no_provenance) else made_of(loaded, designs[0], "sheet of covers")
    print(write(made, out, made=record) or out)


@app.command()
@examples("rnnmuse cover video song.mid --bars 1 --size 96x96 --fps 8")
@renamed(rate="--fps", **{"from": "--from-bar"})
def video(
    file: File = None,
    seed: Seed = None,
    model: Model = "covers",
    out: Annotated[Path | None, typer.Option(help="The file, .mp4 or .webm; else out/NAME-loop.mp4.")] = None,
    bars: Annotated[int, typer.Option(help="Length of the loop in bars of the piece, 1 to 256.")] = 8,
    start: Annotated[int, typer.Option("--from-bar", help="The bar to begin with; 1 is the first.")] = 1,
    seconds: Annotated[float, typer.Option(help="Length without a piece, 1 to 600.")] = 12.0,
    size: Annotated[str, typer.Option(help="Width x height, even numbers.")] = "720x720",
    fps: Annotated[float, typer.Option(help="Pictures per second, 1 to 60.")] = 24.0,
    sound: Annotated[bool, typer.Option(help="Include the sound of the music.")] = True,
    title: Title = "",
    artist: Artist = "",
    mood: Mood = "",
    look: Look = "screen",
    palette: Palette = "",
    strength: Strength = 1.0,
    style: Style = "auto",
    layout: Layout = "auto",
    place: Place = "auto",
    font: Font = None,
    no_provenance: NoProvenance = False,
) -> None:
    """A loop that moves with the music's bars and loudness (needs the video extra)."""
    import tempfile

    from rnnmuse.cover.picture import made_of
    from rnnmuse.cover.video import Walk, checked, excerpt, frames, parse_size, write_loop_sound, write_video
    from rnnmuse.models.bundle import load_cover
    from rnnmuse.music.read import read_music

    path = out or Path("out") / f"{file.stem if file is not None else 'seed'}-loop.mp4"
    checked(path)
    width, height = parse_size(size)
    for name, value, low, high in (("fps", fps, 1, 60), ("seconds", seconds, 1, 600)):
        if not low <= value <= high:
            raise ValueError(f"{name}: {value}; must be {low} to {high}")
    piece = excerpt(read_music(file), start, bars) if file is not None else None
    design = _design(file, seed, mood=mood, look=look, palette=palette, strength=strength, title=title, artist=artist,
                     style=style, layout=layout, place=place, font=font)  # fmt: skip
    loaded = load_cover(model)
    walk = Walk(piece, design, loaded.latent, seconds)
    count = max(2, round(walk.seconds * fps))
    with tempfile.TemporaryDirectory() as folder, _bar() as bar:
        heard = (
            write_loop_sound(piece, walk.seconds, Path(folder) / "loop.wav") if piece is not None and sound else None
        )
        task = bar.add_task("drawing", total=1.0)
        pictures = frames(loaded, design, walk, width, height, fps)
        record = None if unmarked(no_provenance) else made_of(loaded, design, "video")
        write_video(pictures, path, (width, height), fps, count, heard, lambda done: bar.update(task, completed=done),
                    record)  # fmt: skip
    print(f"{path}  {width} x {height}, {walk.seconds:.1f} s, {count} pictures, seed {design.seed}")


def _design(file: Path | None, seed: int | None, **settings: Any) -> Design:
    from rnnmuse.cover.picture import design_for
    from rnnmuse.music.read import read_music

    if file is None and seed is None:
        raise ValueError("cover: name a file of music, or a --seed")
    return design_for(read_music(file) if file is not None else None, seed, **settings)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
