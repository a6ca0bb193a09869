"""A stage and its engine under every order of events, both clocks in the test's hands.

Nothing hangs, no command is lost, and every getter answers what the engine holds. RNNMUSE_EXAMPLES sets the number of
examples.
"""

import os
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from rnnmuse.bridges.osc_server import Client
from rnnmuse.protocol import PARAMETERS
from rnnmuse.realtime.supervisor import MOST_FAILURES, STALLED, WINDOW
from rnnmuse.session.stream import StreamPlayer
from rnnmuse.testing import LOOK, ME, RecordingOutput, StageClient

EXAMPLES = int(os.environ.get("RNNMUSE_EXAMPLES", "60"))
T = "/rnnmuse/transport"
PLAYER = st.sampled_from([1, 2])
MODELS = ["lieder", "leadsheet", "grooves", "phrases"]
VALUES = {
    "density": st.sampled_from([0.0, 2.0, 5.0]),
    "temperature": st.sampled_from([0.5, 1.5]),
    "key": st.sampled_from(["", "D minor", "F# major"]),
    "bars": st.sampled_from([2, 4]),
}
REFUSED = {"key": "H minor", "chord": "Qm", "scale": "wide"}
AHEAD = Client("127.0.0.1", 50_001)
NOTICED = (STALLED + 2 * LOOK) / 1e9


class StageMachine(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.stage = StageClient()
        self.port = RecordingOutput(lambda: self.stage.time, "port", clock=True)
        self.stage.stage.add_output(self.port)
        self.lost: list[int] = []
        self.pings: dict[int, int] = {}
        self.parameters = {player: {name: PARAMETERS[name][1] for name in VALUES} for player in (1, 2)}
        self.model = {1: "lieder", 2: "lieder"}
        self.send_and_settle(f"{T}/tempo", 120)
        for player in (1, 2):
            self.send_and_settle(f"/rnnmuse/player/{player}/mode", "off")

    def send_and_settle(self, address, *values):
        self.stage.send(address, *values)
        self.stage.settle()

    @property
    def players(self):
        return self.stage.stage.players

    # -- the transport --------------------------------------------------------------------------------------

    @rule(word=st.sampled_from(["play", "stop", "continue", "panic"]))
    def transport(self, word):
        self.stage.send(f"{T}/{word}")

    @rule(beat=st.floats(0, 200))
    def jump(self, beat):
        self.stage.send(f"{T}/position", beat)

    @rule(bpm=st.integers(60, 300))
    def tempo(self, bpm):
        self.stage.send(f"{T}/tempo", bpm)
        assert self.stage.stage.clock.tempo == bpm

    @rule(metre=st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8)]))
    def metre(self, metre):
        self.stage.send(f"{T}/metre", *metre)
        now = self.stage.stage.clock.metre
        assert (now.numerator, now.denominator) == metre

    @rule(place=st.sampled_from([0.5, 0.66]))
    def swing(self, place):
        self.stage.send(f"{T}/swing", place)

    @rule(seconds=st.floats(0.001, 1.0))
    def time_passes(self, seconds):
        self.stage.run(seconds)
        self.look_at_pings()

    @rule(seconds=st.floats(0.1, 4.0))
    def ask_for_a_time(self, seconds):
        number = len(self.pings)
        self.pings[number] = self.stage.time + round(seconds * 1e9)
        self.stage.send("/rnnmuse/ping", number, due=seconds)

    def look_at_pings(self):
        answered = Counter(message.arguments[0] for message in self.stage.received("/rnnmuse/pong"))
        assert set(answered.values()) <= {1}
        for number, due in self.pings.items():
            if abs(due - self.stage.time) > 2_000:  # a time tag holds fractions of a microsecond
                assert (number in answered) == (due < self.stage.time)

    # -- the players ----------------------------------------------------------------------------------------

    @rule(player=PLAYER, word=st.sampled_from(["start", "start", "stop", "reset"]))
    def command(self, player, word):
        self.stage.send(f"/rnnmuse/player/{player}/{word}")

    @rule(player=PLAYER, mode=st.sampled_from(["off", "free", "continue", "answer", "accompany", "hold", "loop"]))
    def mode(self, player, mode):
        self.stage.send(f"/rnnmuse/player/{player}/mode", mode)

    @rule(player=PLAYER, model=st.sampled_from([*MODELS, "nobody"]))
    def change_model(self, player, model):
        self.stage.send(f"/rnnmuse/player/{player}/model", model)
        if model != "nobody":
            self.model[player] = model

    @rule(player=PLAYER, data=st.data(), name=st.sampled_from(sorted(VALUES)))
    def parameter(self, player, data, name):
        value = data.draw(VALUES[name])
        self.stage.send(f"/rnnmuse/player/{player}/param/{name}", value)
        self.parameters[player][name] = value

    @rule(player=PLAYER, name=st.sampled_from(sorted(REFUSED)))
    def wrong_parameter(self, player, name):
        before = len(self.stage.errors())
        self.stage.send(f"/rnnmuse/player/{player}/param/{name}", REFUSED[name])
        assert len(self.stage.errors()) == before + 1

    @rule(player=PLAYER, when=st.sampled_from(["now", "beat", "bar"]))
    def when(self, player, when):
        self.stage.send(f"/rnnmuse/player/{player}/when", when)

    @rule(whom=st.sampled_from(["ch2", "ch2 1"]))
    def hears(self, whom):
        self.stage.send("/rnnmuse/player/2/hears", whom)

    @rule(player=PLAYER, pitch=st.integers(50, 55), velocity=st.sampled_from([0, 90]))
    def note(self, player, pitch, velocity):
        self.stage.send(f"/rnnmuse/player/{player}/note", pitch, velocity)

    @rule(player=PLAYER, pitch=st.integers(50, 55), beats=st.floats(0.1, 2.0))
    def long_note(self, player, pitch, beats):
        self.stage.send(f"/rnnmuse/player/{player}/note", pitch, 90, beats)

    @rule(player=PLAYER, beats=st.integers(1, 4))
    def generate(self, player, beats):
        self.stage.send(f"/rnnmuse/player/{player}/generate", beats)

    @rule(player=PLAYER, channel=st.integers(1, 4))
    def channel(self, player, channel):
        self.stage.send(f"/rnnmuse/player/{player}/channel", channel)

    # -- presets: what is stored is what was accepted --------------------------------------------------------

    @rule(number=st.integers(1, 2))
    def store(self, number):
        self.stage.send("/rnnmuse/preset/store", number)

    @rule(number=st.integers(1, 2))
    def recall(self, number):
        self.stage.send("/rnnmuse/preset/recall", number)
        for player, seat in self.players.presets.get(number, {}).items():
            self.model[player] = seat.model or "lieder"
            for name in VALUES:
                self.parameters[player][name] = seat.parameters.get(name, PARAMETERS[name][1])

    # -- faults ---------------------------------------------------------------------------------------------

    def may_fail(self):
        """One failure more would make the stage go back to models that worked, which is a test of its own."""
        return len([at for at in self.lost if self.stage.time - at < 1.2 * WINDOW]) < MOST_FAILURES - 1

    @precondition(may_fail)
    @rule()
    def engine_is_killed(self):
        self.lost.append(self.stage.time)
        self.stage.kill_engine()

    @precondition(may_fail)
    @rule()
    def engine_is_frozen(self):
        self.lost.append(self.stage.time)
        self.stage.freeze_engine()

    @rule()
    def engine_goes_on(self):
        self.stage.engine.frozen = False

    @rule()
    def port_is_lost(self):
        self.port.broken = True

    @precondition(lambda self: "port" not in self.stage.stage.outputs)
    @rule(clock=st.booleans())
    def port_comes_back(self, clock):
        self.port = RecordingOutput(lambda: self.stage.time, "port", clock=clock)
        self.stage.stage.add_output(self.port)

    @rule(ahead=st.sampled_from([0.0, 0.1, 0.5]))
    def subscribe(self, ahead):
        self.stage.send("/rnnmuse/subscribe", 3600, ahead, client=AHEAD)
        outputs = self.stage.stage.outputs
        assert set(self.stage.stage.scheduler.lanes) == outputs.look_aheads() == {0, round(ahead * 1e9)}

    @rule()
    def unsubscribe(self):
        self.stage.send("/rnnmuse/unsubscribe", client=AHEAD)
        assert set(self.stage.stage.scheduler.lanes) == {0}

    # -- what must hold -------------------------------------------------------------------------------------

    @precondition(lambda self: not self.stage.engine.frozen)
    @rule()
    def getters_answer_what_the_engine_holds(self):
        self.stage.settle()
        self.compare()

    def compare(self):
        engine, clock = self.stage.engine.engine, self.stage.stage.clock
        assert engine.clock == clock
        for number, player in engine.players.items():
            at = f"/rnnmuse/player/{number}"
            assert self.stage.ask(f"{at}/mode") == (player.mode,)
            assert self.stage.ask(f"{at}/model") == (player.model.name,)
            for name in VALUES:
                assert self.stage.ask(f"{at}/param/{name}") == (player.parameters[name],)
            if clock.running and player.mode == "free" and isinstance(player, StreamPlayer):
                asked = self.players.seats[number].started
                assert player.playing == asked or player._job or player._until < float("inf")
        assert engine._ahead == max(self.stage.stage.scheduler.lanes) / 1e9

    def teardown(self):
        if not hasattr(self, "stage"):
            return
        if self.stage.engine.frozen:
            self.stage.run(NOTICED)
            self.stage.engine.frozen = False  # one that has not begun may take its time
        self.stage.send(f"{T}/stop")  # what waits for a line comes at once
        self.stage.settle()
        self.compare()
        for player in (1, 2):
            assert self.stage.ask(f"/rnnmuse/player/{player}/model") == (self.model[player],)
            for name, value in self.parameters[player].items():
                assert self.stage.ask(f"/rnnmuse/player/{player}/param/{name}") == (value,)
        assert not self.stage.hung()
        assert not self.stage.output.twice
        assert not self.port.twice
        assert self.port.broken or not self.port.sounding
        notes = [note.arguments for p in (1, 2) for note in self.stage.received(f"/rnnmuse/out/{p}/note", ME)]
        assert sum(1 if velocity else -1 for _, velocity, _, _ in notes) == 0
        self.stage.run(4.0)
        self.look_at_pings()
        assert "internal" not in {code for _, code, _ in self.stage.errors()}
        self.stage.close()


TestStage = StageMachine.TestCase
TestStage.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
