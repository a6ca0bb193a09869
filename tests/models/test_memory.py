import numpy as np

from rnnmuse.models.memory import BACK, FIRST, MORE, Memory


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


def test_what_is_read_stays_as_it_was_while_the_memory_grows_and_moves():
    size, most = 8, BACK + 3 * MORE
    memory, read = Memory(size, 6, 4), []
    for i in range(most):
        if i % 100 == 50:
            read.append((i, memory.slots(i)))
        memory = memory.added(i, np.full(6, i), np.full(4, i), (i % 7,) * 6, i, i + 1)
    for count, slots in read:
        wanted = list(range(count - size, count))
        assert slots.keys[0].tolist() == slots.values[:, 3].tolist() == wanted
        assert slots.times.tolist() == [*wanted, count]
        assert slots.fields[0].tolist() == [i % 7 for i in wanted]


def test_a_memory_takes_as_much_as_was_played():
    def size_of(memory):
        return sum(getattr(memory, name).nbytes for name in ("_keys", "_values", "_fields", "_times"))

    every = Memory(1024, 64, 32)
    assert size_of(every) < 60_000
    row = size_of(every) / FIRST
    for i in range(5000):
        every = every.added(i, np.zeros(64), np.zeros(32), (0,) * 6, i, i + 1)
        assert size_of(every) <= 1.02 * row * min(1024 + BACK + MORE, max(FIRST, 2 * i + 2)), i
    fork = every.added(4000, np.zeros(64), np.zeros(32), (0,) * 6, 0, 1)
    assert size_of(fork) < 1.2 * row * 1024
