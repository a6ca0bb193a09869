from rnnmuse.music.kern import as_it_sounds, outline, with_dynamics
from rnnmuse.music.scores import parse_scores

KERN = "\n".join(
    (
        "**kern\t**kern\t**dynam",
        "*M2/4\t*M2/4\t*",
        "*>[A,A,B]\t*>[A,A,B]\t*>[A,A,B]",
        "*>A\t*>A\t*>A",
        "=1\t=1\t=1",
        "4C\t8c\tp",
        ".\t8d\t<",
        "4E\t4e\t.",
        "=2\t=2\t=2",
        "*\t*^\t*",
        "2G\t2g\t4b\tf",
        ".\t.\t4cc\t.",
        "*\t*v\t*v\t*",
        "*>B\t*>B\t*>B",
        "=3\t=3\t=3",
        "2C\t4c\tsf",
        ".\t4r\t.",
        "==\t==\t==",
        "*-\t*-\t*-",
    )
)


def test_times_follow_the_durations_through_splits():
    found = outline(KERN)
    assert found.sections == [("A", 0.0), ("B", 4.0)]
    assert found.order == ("A", "A", "B")
    assert found.levels == [(0.0, 49), (2.0, 96)]
    assert found.accents == [4.0]
    assert found.end == 6.0


def test_a_score_sounds_with_its_repeats_and_dynamics():
    piece = parse_scores(KERN.encode(), "x.krn")[0]
    notes = piece.notes
    assert max(n.end for n in notes) == 10.0
    first = sorted((n.start, n.pitch, n.velocity) for n in notes if n.start < 4)
    again = sorted((n.start - 4.0, n.pitch, n.velocity) for n in notes if 4 <= n.start < 8)
    assert first == again
    assert {n.velocity for n in notes if n.start % 4 == 0 and n.start < 8} == {49}
    assert all(n.velocity == 96 for n in notes if n.start == 2.0)
    assert all(n.velocity > 96 for n in notes if n.start == 8.0), "an accent"


def test_without_an_order_or_dynamics_nothing_changes():
    text = KERN.replace("*>[A,A,B]", "*").replace("\tp", "\t.").replace("\tf", "\t.").replace("\tsf", "\t.")
    piece = parse_scores(text.replace("\t<", "\t.").encode(), "x.krn")[0]
    before = [(n.start, n.pitch, n.velocity) for n in piece.notes]
    found = outline("")
    after = as_it_sounds(with_dynamics(piece, found), found)
    assert [(n.start, n.pitch, n.velocity) for n in after.notes] == before
    assert max(n.end for n in after.notes) == 6.0
