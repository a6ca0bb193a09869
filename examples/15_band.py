"""A jazz band on a simulated clock: sixteen bars, four bars of drums, an ending on cue; as a MIDI file."""

from pathlib import Path

from rnnmuse.events import Note
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece, Tempo
from rnnmuse.session.lineup import PROGRAMS, SEATS
from rnnmuse.testing import StageClient


def main(out: Path = Path("out")) -> None:
    stage = StageClient()
    stage.send("/rnnmuse/harmony/chart", "Cm7 | Fm7 | Dm7b5 G7 | Cm7 |")
    stage.send("/rnnmuse/band", "jazz")
    stage.settle()
    tempo = float(stage.stage.clock.tempo)
    stage.run(30 * 60 / tempo)
    over = stage.ask("/rnnmuse/transport/ending")[0]
    stage.run((over - 29) * 60 / tempo)

    program = PROGRAMS["jazz"]
    parts = {player: Part(role, program.get(role, 1) - 1, role == "drums") for player, role in SEATS.items()}
    began: dict[tuple[int, int], tuple[float, int]] = {}
    for _, sent in stage.output.events:
        if sent.velocity:
            began[sent.player, sent.pitch] = (sent.beat, sent.velocity)
        elif (sent.player, sent.pitch) in began:
            beat, velocity = began.pop((sent.player, sent.pitch))
            parts[sent.player].notes.append(Note(beat, sent.pitch, max(0.1, sent.beat - beat), velocity))
    out.mkdir(exist_ok=True)
    piece = Piece(list(parts.values()), tempos=[Tempo(0.0, tempo)], title="A jazz band")
    write_midi(piece, out / "band.mid")
    print(f"{over / 4:.0f} bars, {len(piece.notes)} notes: {out / 'band.mid'}")


if __name__ == "__main__":
    main()
