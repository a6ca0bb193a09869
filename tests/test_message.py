"""Messages: equal, hashed, printed and pickled as a frozen dataclass of the same fields would be."""

import inspect
import pickle
from dataclasses import dataclass, field, fields, replace

import pytest

from rnnmuse.jobs import messages as jobs
from rnnmuse.message import Message, message
from rnnmuse.session import messages as session


@message
class Ours(Message):
    """Ours."""

    number: int
    text: str = "a"
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Theirs:
    """Theirs."""

    number: int
    text: str = "a"
    data: bytes = field(default=b"", repr=False)


@message
class Other(Message):
    """The same fields."""

    number: int
    text: str = "a"
    data: bytes = b""


def test_it_does_what_a_frozen_dataclass_does():
    for values in ((1,), (2, "b"), (2, "b", b"x")):
        ours, theirs = Ours(*values), Theirs(*values)
        assert repr(ours).removeprefix("Ours") == repr(theirs).removeprefix("Theirs")
        for more in ((1,), (2, "b"), (2, "b", b"y")):
            assert (ours == Ours(*more)) == (theirs == Theirs(*more))
        assert pickle.loads(pickle.dumps(ours)) == ours
        assert replace(ours, number=9) == Ours(9, *values[1:])
        assert len({ours, Ours(*values), Ours(7)}) == 2
        assert ours != Other(*values)
        assert ours != theirs
        with pytest.raises(AttributeError):
            ours.more = 1
        for value in (ours.number, 99):
            with pytest.raises(AttributeError, match="number: a message cannot be changed"):
                ours.number = value
        with pytest.raises(AttributeError, match="cannot be changed"):
            del ours.number
    with pytest.raises(TypeError, match="number"):
        Ours()


@pytest.mark.parametrize("module", [session, jobs])
def test_every_message_is_one(module):
    kinds = [one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__]
    bases = {base for one in kinds for base in one.__mro__[1:]}
    for kind in (one for one in kinds if one not in bases):
        assert issubclass(kind, Message), kind
        assert tuple(one.name for one in fields(kind)) == kind.__match_args__, kind
        assert not any(hasattr(base, "__dict__") and "__slots__" not in base.__dict__ for base in kind.__mro__[:-1])
