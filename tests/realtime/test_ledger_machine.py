"""Ledger and lane under every order of events: no note hangs."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rnnmuse.clock import PPQ, Clock
from rnnmuse.realtime.lanes import TOO_LATE, Lane, Lateness
from rnnmuse.realtime.ledger import Ledger

KEYS = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1), st.integers(60, 62))


class Stage(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.heard: set[tuple[object, int, int]] = set()
        self.gone: set[object] = set()
        self.now = 0
        self.clock = Clock()
        self.clock.start(0)
        self.ledger = Ledger(self.send)
        self.lane = Lane(self.clock, 0, Lateness())

    def send(self, key, velocity, owner):
        """The synthesiser at the other end: it would sound twice, or end what does not sound, only if told so."""
        if velocity:
            assert key not in self.heard, "started twice without an end"
            self.heard.add(key)
        else:
            assert key in self.heard, "ended what does not sound"
            self.heard.remove(key)

    @rule(key=KEYS, wait=st.integers(-10, 3 * PPQ), length=st.integers(1, PPQ), owner=st.integers(1, 2))
    def note(self, key, wait, length, owner):
        tick = self.clock.tick_at(self.now) + wait

        def on():
            self.ledger.on(key, 80, owner)
            self.lane.plan(tick + length, lambda: self.ledger.off(key, owner), owner, ends=True)

        self.lane.plan(tick, on, owner)

    @rule(key=KEYS, wait=st.integers(-10, 3 * PPQ), length=st.integers(1, PPQ), owner=st.integers(1, 2))
    def planned_note(self, key, wait, length, owner):
        """As the engine orders it: the end is planned with the beginning, and recalled with it."""
        tick = self.clock.tick_at(self.now) + wait
        on = self.lane.plan(tick, lambda: self.ledger.on(key, 80, owner), owner)
        self.lane.plan(tick + length, lambda: self.ledger.off(key, owner), owner, True, on)

    @rule(step=st.integers(1, 3 * TOO_LATE))
    def time_passes(self, step):
        self.now += step
        self.lane.run_due(self.now)

    @rule(owner=st.integers(1, 2))
    def mode_change(self, owner):
        self.lane.recall(owner, self.clock.tick_at(self.now))
        self.ledger.end(owner)
        assert owner not in self.ledger.sounding.values()

    @rule()
    def recall_all(self):
        self.lane.recall()

    @rule()
    def panic(self):
        self.lane.clear()
        self.ledger.end()
        assert not self.heard

    @rule(bpm=st.integers(20, 999))
    def tempo_change(self, bpm):
        self.clock.set_tempo(bpm, self.now)

    @rule()
    def stop_and_go(self):
        self.clock.stop(self.now)
        self.ledger.end()
        assert not self.heard
        self.clock.resume(self.now)

    @rule(output=st.sampled_from(["a", "b"]))
    def port_is_lost(self, output):
        self.ledger.forget(output)
        self.heard = {key for key in self.heard if key[0] != output}

    @invariant()
    def the_ledger_is_what_sounds(self):
        assert set(self.ledger.sounding) == self.heard

    def teardown(self):
        self.lane.recall()
        self.now += 10**12
        self.lane.run_due(self.now)
        assert not self.heard, "a note hangs"


TestStage = Stage.TestCase
TestStage.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
