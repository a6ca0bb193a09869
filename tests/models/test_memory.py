import numpy as np

from rnnmuse.models.memory import BACK, Memory


def filled(size, count):
    memory = Memory(size, 6, 4)
    for i in range(count):
        memory = memory.added(i, np.full(6, i), np.full(4, i), (i % 7,) * 6, i, i + 1)
    return memory


def test_the_newest_slots_are_kept_in_order():
    size = 8
    for count in (0, 3, 8, 20, 2 * BACK + 40):
        slots = filled(size, count).slots(count)
        wanted = list(range(max(0, count - size), count))
        assert slots.times.tolist() == [*wanted, count] if count else True
        assert slots.keys[5].tolist() == wanted
        assert slots.values[:, 0].tolist() == wanted
        assert slots.fields[5].tolist() == [i % 7 for i in wanted]


def test_an_earlier_state_reads_what_it_read():
    memory = filled(8, 40)
    assert memory.slots(30).times.tolist() == list(range(22, 31))


def test_going_on_from_an_earlier_state_leaves_the_later_one_alone():
    memory = filled(8, 40)
    other = memory.added(30, np.full(6, 99), np.full(4, 99), (1,) * 6, 99, 100)
    assert other is not memory
    assert other.slots(31).times.tolist() == [*range(23, 30), 99, 100]
    assert memory.slots(40).times.tolist() == list(range(32, 41))
    same = other.added(31, np.zeros(6), np.zeros(4), (0,) * 6, 101, 102)
    assert same is other, "no copy where nothing is lost"


def test_a_memory_of_slots_is_the_same_memory():
    slots = filled(8, 13).slots(13)
    again = Memory.of(slots, 8)
    assert again.slots(again.count).times.tolist() == slots.times.tolist()
