"""A sonnet by `verse` with two wished-for words, as text and as subtitles at 90 bpm."""

from pathlib import Path

from rnnmuse import author
from rnnmuse.text.subtitles import subtitles, timed
from rnnmuse.text.writer import Settings

out = Path("out")
out.mkdir(exist_ok=True)
lines = author("verse").poem("sonnet", seed=2, settings=Settings(required=("sea", "light")))
print("\n".join(lines))
(out / "sonnet.srt").write_text(subtitles(timed(lines, rate=2.0), 90, "srt"), "utf-8")
