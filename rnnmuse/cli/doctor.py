"""`rnnmuse doctor`: what is installed, what works, what to do about the rest."""

from __future__ import annotations

import platform
import shutil
import time
from importlib import metadata, util

import typer

from rnnmuse.cli.command import DAMAGED, examples


@examples("rnnmuse doctor")
def doctor() -> None:
    """Check the installation: packages, models, speed, sound."""
    import rnnmuse
    from rnnmuse.models import kernel
    from rnnmuse.models.bundle import bundles, load_stream, load_text, verify
    from rnnmuse.models.stream import START_EVENT
    from rnnmuse.music.codec import UNKNOWN

    print(f"rnnmuse {rnnmuse.__version__}, Python {platform.python_version()}, {platform.system()}")
    for name in ("numpy", "onnxruntime", "mido", "python-osc", "safetensors", "pillow"):
        print(f"  ok    {name} {metadata.version(name)}")
    for name, extra, use in (("torch", "train", "training"), ("music21", "scores", "MusicXML, ABC and kern")):
        there = util.find_spec(name) is not None
        hint = metadata.version(name) if there else f"not installed; for {use}: pip install 'rnnmuse[{extra}]'"
        print(f"  {'ok   ' if there else '-    '} {name} {hint}")
    print(f"  {'ok   ' if kernel.library() else '-    '} compiled kernel {kernel.in_use()}")
    program = shutil.which("fluidsynth")
    print(f"  {'ok   ' if program else '-    '} fluidsynth {program or 'not found; only SoundFonts need it'}")
    print(_sound_card())
    broken = 0
    for bundle in bundles().values():
        try:
            verify(bundle)
            if bundle.about.get("kind") == "stream":
                load_stream(bundle.name)
            elif bundle.about.get("kind") == "text":
                load_text(bundle.name)
        except Exception as error:
            broken += 1
            print(f"  WRONG {error}")
        else:
            print(f"  ok    model {bundle.name}")
    streams = [b for b in bundles().values() if b.about.get("kind") == "stream"]
    if streams and not broken:
        model = load_stream(streams[0].name)
        state, began = model.start(), time.perf_counter()
        for _ in range(200):
            _, state = model.step(state, START_EVENT, UNKNOWN)
        print(f"  ok    a step of {model.name} takes {(time.perf_counter() - began) * 5:.2f} ms")
    print("All well." if not broken else f"{broken} model(s) are damaged: install rnnmuse again.")
    if broken:
        raise typer.Exit(DAMAGED)


def _sound_card() -> str:
    """A line that says whether the built-in synthesiser can be heard live, and why not."""
    from rnnmuse.bridges.sound_out import SoundOut
    from rnnmuse.errors import PortError

    try:
        out = SoundOut()
    except PortError as error:
        return f"  -     sound card: {error}"
    out.join()
    return f"  ok    sound card {out.card}"
