"""Frozen dataclasses with slots, whose methods are compiled when one of them is first wanted.

`dataclasses` writes and compiles six methods for each class. For all classes of this package
that takes as long as the rest of the import, and a program uses few of them.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast, dataclass_transform

__all__ = ["record"]

T = TypeVar("T")

_COMPILED = (
    "__init__",
    "__repr__",
    "__eq__",
    "__hash__",
    "__setattr__",
    "__delattr__",
    "__getstate__",
    "__setstate__",
    "__match_args__",
    "__dataclass_fields__",
    "__dataclass_params__",
    *(["__replace__"] if sys.version_info >= (3, 13) else []),
)
"""What `dataclasses` adds to a class."""


class _Pending:
    """Stands for something that is compiled with its class, and has that done when it is wanted."""

    def __init__(self, name: str, compile: Callable[[type], None]) -> None:
        self._name = name
        self._compile = compile

    def __get__(self, instance: object | None, owner: type) -> Any:
        self._compile(owner)
        return getattr(owner if instance is None else instance, self._name)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(*, kw_only: bool = True, hidden: str | None = None) -> Callable[[type[T]], type[T]]:
    """What `dataclass(frozen=True, slots=True)` is; `hidden` is a field that `repr` leaves out."""

    def decorate(cls: type[T]) -> type[T]:
        body = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}

        def compile(owner: type) -> None:
            import dataclasses

            written = dict(body)
            if hidden is not None:
                default = body.get(hidden, dataclasses.MISSING)
                written[hidden] = dataclasses.field(default=default, repr=False)
            # Of a copy: two threads may want the methods at the same time.
            copy: Any = type(owner.__name__, owner.__bases__, written)
            made = dataclasses.dataclass(frozen=True, slots=True, kw_only=kw_only)(copy)
            for name in _COMPILED:
                setattr(owner, name, vars(made)[name])

        fields = tuple(cls.__annotations__)
        outside = {name: value for name, value in body.items() if name not in fields}
        pending = {name: _Pending(name, compile) for name in _COMPILED}
        slotted = type(cls.__name__, cls.__bases__, {**outside, **pending, "__slots__": fields})
        return cast("type[T]", slotted)

    return decorate
