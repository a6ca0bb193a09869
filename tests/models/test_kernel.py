"""The compiled kernel against numpy and onnxruntime, which it falls back to.

Both round what a 4-bit product is made with to 8 bits. A difference in the last place of a float may fall on the other
side of a rounding, and is then a hundredth: so almost all numbers agree to 1e-5, and the rest to a hundredth.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rnnmuse.models import kernel
from rnnmuse.models.bundle import load_stream
from rnnmuse.models.likelihood import event_likelihoods
from rnnmuse.models.stream import START_EVENT, CompiledDistribution, Distribution
from rnnmuse.music.codec import BEATS, ECHO, FIELDS, KIND, SUB, UNKNOWN, Encoded
from rnnmuse.music.piece import Piece
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.sampler import Frame, Player

ROOT = Path(__file__).parents[2]
MODELS = ("lieder", "band", "grooves", "leadsheet", "piano")
NEAR, FAR = 1e-5, 0.05
pytestmark = pytest.mark.skipif(not (shutil.which("make") and shutil.which("cc")), reason="needs make and a C compiler")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = tmp_path_factory.mktemp("kernel") / "stream-kernel"
    subprocess.run(["make", "-s", f"KERNEL={path}", f"{path}.so"], cwd=ROOT, check=True)
    return path.with_suffix(".so")


@pytest.fixture(scope="module")
def models(built):
    """The model of a name, with the kernel of a level or, of none, without."""
    held = {}

    def model(name, level=None):
        if (name, level) not in held:
            try:
                library = None if level is None else kernel.Library(built, level)
            except ValueError as error:
                assert "this machine does not have" in str(error)
                pytest.skip(str(error))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kernel, "library", lambda: library)
                held[name, level] = load_stream(name)
            assert (held[name, level].compiled is None) == (level is None)
        return held[name, level]

    return model


every_level = pytest.mark.parametrize("level", range(len(kernel.LEVELS)), ids=kernel.LEVELS)
every_model = pytest.mark.parametrize(
    ("name", "level"),
    [(MODELS[0], 0), (MODELS[1], 1), *((name, 2) for name in MODELS)],
    ids=lambda value: kernel.LEVELS[value] if isinstance(value, int) else value,
)


def used_at_all(built):
    try:
        kernel.Library(built)
    except ValueError as error:
        assert "this machine does not have" in str(error)
        pytest.skip(str(error))


def player(model, seed=1, **limits):
    rules = Rules(Constraints(rest=4.0, **limits), Piece(), model.drums, len(model.parts))
    return Player(model, Frame(Piece()), rules, Random(seed), top_p=0.95)


def steps(model, count):
    """What a player hears: states, events and contexts before each of its steps."""
    one, out = player(model), []
    while len(out) < count:
        if (step := one.step) is not None:
            out.append(step)
        one.next(one.grid, 10**9)
    return out


def agree(differences):
    differences = np.array(differences)
    assert (differences < NEAR).mean() > 0.9
    assert differences.max() < FAR


@every_model
def test_a_step_is_that_of_the_graph(models, name, level):
    plain, compiled, states, rows = models(name), models(name, level), [], []
    for state, event, context, grid, _ in steps(compiled, 100):
        expected, after = plain.step(state, event, context, grid)
        found, mine = compiled.step(state, event, context, grid)
        states.append(np.abs(after.hidden - mine.hidden).max())
        rows.append(np.abs(expected._out - found._out[: len(expected._out)]).max())
        assert mine.key.shape == after.key.shape
    agree(states)
    agree(rows)


@pytest.mark.parametrize("restate", [0.0, 3.0])
@every_model
def test_every_head_says_the_same(models, name, level, restate):
    """After the same step, with the classes chosen that numpy finds likeliest; also where a bar is restated."""
    plain, compiled = models(name), models(name, level)
    found = {head: [] for head in range(len(FIELDS))}
    for state, event, context, grid, _ in steps(compiled, 150)[::2]:
        context = list(context)
        if restate:
            context[ECHO] = 1 + 3 * 2
        one, after = plain.step(state, event, context, grid, restate)
        two = CompiledDistribution(compiled, after, np.pad(one._out, (0, 16)), context, restate)
        for head in range(len(FIELDS)):
            if head == KIND:
                one.place(context)
                two.place(context)
            expected, mine = one.logits(head), two.logits(head)
            possible = expected > -20
            np.testing.assert_array_equal(expected > -1e8, mine > -1e8)
            found[head].append(np.abs(expected - mine)[possible].max(initial=0))
            for each in (one, two):
                each.choose(head, int(expected.argmax()))
    for head in found:
        agree(found[head])


@every_level
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
def test_the_same_random_number_draws_the_same_class(models, level, temperature, top_p):
    model = models("band", level)
    numbers, seen = np.random.default_rng(1), set()
    for turn, (state, event, context, grid, _) in enumerate(steps(model, 60)):
        expected, _ = model.step(state, event, context, grid)
        for head in range(len(FIELDS)):
            if head == KIND:
                expected.place(context)
            count = len(model.heads[head][1])
            mask = [None, numbers.random(count) < 0.7, [True] * count][turn % 3]
            if turn % 3 == 1 and not mask.any():
                mask[0] = True
            lean = numbers.normal(size=count).astype(np.float32) if turn % 2 else None
            first, second = Random(turn), Random(turn)
            try:
                drawn = Distribution.draw(expected, head, first, temperature, top_p, mask, lean)
            except ValueError as error:
                with pytest.raises(ValueError, match=str(error)):
                    expected.draw(head, second, temperature, top_p, mask, lean)
                drawn = 0
            else:
                assert expected.draw(head, second, temperature, top_p, mask, lean) == drawn
                assert first.random() == second.random()
            seen.add((head, drawn))
            expected.choose(head, drawn)
    assert len(seen) > 20


@every_model
def test_a_player_draws_what_it_draws_without(models, name, level):
    """Event after event of the same music; it also goes back and plays on."""
    one, two = player(models(name), polyphony=3), player(models(name, level), polyphony=3)
    same, count = 0, 200
    for turn in range(count):
        two.random.setstate(one.random.getstate())
        before = two.save()
        event, mine = one.next(one.grid, 10**9), two.next(two.grid, 10**9)
        same += event == mine
        if event != mine or turn % 50 == 0:
            two.restore(before)
            two.hear(event)
    assert same >= 0.97 * count


@every_model
def test_music_is_as_likely(models, name, level):
    heard = steps(models(name, level), 150)
    music = Encoded(
        np.array([step[1] for step in heard[1:]], np.int16), np.array([step[2] for step in heard[1:]], np.int16)
    )
    expected = np.mean(event_likelihoods(models(name), music))
    assert np.mean(event_likelihoods(models(name, level), music)) == pytest.approx(expected, abs=2e-3)


@every_level
def test_states_that_step_together_say_what_each_says_alone(models, level):
    model = models("lieder", level)
    rows = steps(model, 40)[8:]
    together = model.step_many(*zip(*rows, strict=True))
    for row, (expected, state) in zip(rows, together, strict=True):
        alone, after = model.step(*row)
        np.testing.assert_array_equal(alone.logits(BEATS), expected.logits(BEATS))
        np.testing.assert_array_equal(after.hidden, state.hidden)


@every_level
def test_a_saved_state_goes_on(models, level):
    model = models("lieder", level)
    state = steps(model, 100)[-1].state
    again = model.from_bytes(model.to_bytes(state))
    one, _ = model.step(state, START_EVENT, UNKNOWN)
    two, _ = model.step(again, START_EVENT, UNKNOWN)
    np.testing.assert_allclose(one.weights(BEATS), two.weights(BEATS), rtol=0.05, atol=1e-3)  # in half precision


@every_level
def test_what_cannot_be_is_an_error_and_not_a_crash(models, level):
    model = models("lieder", level)
    expected, state = model.step(model.start(), START_EVENT, UNKNOWN)
    with pytest.raises(IndexError, match="class beyond"):
        model.step(state, (0, 0, 1, 0, 60, 0, 0), [30_000, *UNKNOWN[1:]])
    with pytest.raises(IndexError, match="has a class that the model has not"):
        model.step(state, (0, 0, 1, 0, 128, 0, 0), UNKNOWN)
    with pytest.raises(IndexError, match="32; must be 0 to 31"):
        expected.choose(BEATS, 32)
    with pytest.raises(ValueError, match="allows no class"):
        expected.draw(BEATS, Random(1), mask=[False] * 32)
    with pytest.raises(ValueError, match="32 classes"):
        expected.draw(BEATS, Random(1), mask=[True] * 31)
    other = model.start()
    other.memory._values = np.zeros((64, 32), np.float32)
    with pytest.raises(ValueError, match="not one of this model"):
        model.step(other, START_EVENT, UNKNOWN)[0].weights(SUB)


def test_without_a_library_that_fits_numpy_plays(built, tmp_path, monkeypatch):
    used_at_all(built)
    monkeypatch.delenv("RNNMUSE_KERNEL", raising=False)

    def used(path):
        monkeypatch.setattr(kernel, "PATH", path)
        kernel.library.cache_clear()
        found, words = kernel.library(), kernel.in_use()
        assert (load_stream("lieder").compiled is None) == (found is None)
        return words

    try:
        assert used(built).startswith("used, with ")
        assert used(tmp_path / "none.so").startswith("not built")
        (tmp_path / "foreign.so").write_bytes(b"\xcf\xfa\xed\xfe" + built.read_bytes()[4:])  # of another system
        assert used(tmp_path / "foreign.so").startswith("not used: ")
        libm = next(Path("/usr/lib").rglob("libm.so.6"), None)
        assert libm is None or used(libm).startswith("not used: ")
        monkeypatch.setattr(kernel, "VERSION", 0)
        assert "run make kernel again" in used(built)
        monkeypatch.undo()
        monkeypatch.setenv("RNNMUSE_KERNEL", "off")
        assert used(built) == "not used: RNNMUSE_KERNEL=off"
    finally:
        monkeypatch.undo()
        kernel.library.cache_clear()


def test_a_model_in_other_precision_is_played_by_onnxruntime(built, models):
    with pytest.raises(ValueError, match="not in 4 bits"):
        kernel.Compiled(
            kernel.Library(built),
            b"",
            [],
            models("lieder")._table,
            [],
            [],
            *[np.zeros(4, np.float32)] * 5,
            [],
            np.zeros(4, np.float32),
            [],
            1024,
        )


def test_the_constants_are_those_that_onnx_reads():
    onnx = pytest.importorskip("onnx")
    from onnx import numpy_helper

    graph = ROOT / "models" / "lieder" / "step.onnx"
    expected = {one.name: numpy_helper.to_array(one) for one in onnx.load(graph).graph.initializer}
    found = kernel.tensors_of(graph.read_bytes())
    assert found.keys() == {name for name, array in expected.items() if array.dtype in (np.float32, np.uint8)}
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


def test_it_plays_without_onnxruntime(built):
    used_at_all(built)
    code = (
        "import sys; from pathlib import Path; from rnnmuse.models import kernel\n"
        f"kernel.PATH = Path({str(built)!r})\n"
        "from rnnmuse.models.bundle import load_stream; from rnnmuse.models.stream import START_EVENT\n"
        "from rnnmuse.music.codec import UNKNOWN\n"
        "model = load_stream('lieder'); model.step(model.start(), START_EVENT, UNKNOWN)[0].weights(0)\n"
        "assert model.compiled and 'onnxruntime' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "RNNMUSE_KERNEL": ""})
