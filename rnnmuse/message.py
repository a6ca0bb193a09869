"""What the messages between processes have in common: `message` makes a class of fields one, and `Message` compares it.

A stage knows some 70 messages, and each of its processes makes all of them before it can do anything. `dataclasses`
writes and compiles seven methods for each; here six of them are those of `Message`, which takes a quarter of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


class Message:
    """Equal to a message of the same type and values; hashable where its values are. Nothing changes its fields.

    It is pickled as its type and values.
    """

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):  # it is set once, as the message is made
            raise AttributeError(f"{name}: a message cannot be changed")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name}: a message cannot be changed")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and type(self) is type(other) and _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash((type(self), _values(self)))

    def __repr__(self) -> str:
        shown = [f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __reduce__(self) -> tuple[type[Message], tuple[Any, ...]]:
        return type(self), _values(self)


def _values(made: Message) -> tuple[Any, ...]:
    return tuple([getattr(made, name) for name in made.__match_args__])


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def message(made: type[T]) -> type[T]:
    """Make a subclass of `Message` with annotated fields a message; a type checker holds it to be frozen."""
    return dataclass(eq=False, repr=False, slots=True)(made)
