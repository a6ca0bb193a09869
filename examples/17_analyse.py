"""Say what is typical of the pieces that a model writes, and draw it."""

from pathlib import Path

import rnnmuse
from rnnmuse.compose.analyse import described, summarised
from rnnmuse.compose.portrait import save_portrait


def main(out: Path = Path("out")) -> None:
    model = rnnmuse.load("leadsheet")
    pieces = [described(f"seed {seed}", model.generate(8, seed=seed)) for seed in range(3)]
    summary = summarised(pieces)
    out.mkdir(exist_ok=True)
    save_portrait(summary, out / "portrait.png", "Three pieces by leadsheet")
    print("\n".join(summary.words()))
    print(f"a chart in their manner: {summary.chart()}")


if __name__ == "__main__":
    main()
