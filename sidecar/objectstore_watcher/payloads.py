"""Reading what files of the contract hold: fields whose types are checked."""

from __future__ import annotations

from dataclasses import fields

TYPE_CHECKING = False  # as in the contract
if TYPE_CHECKING:
    from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "float | None": (float, int, type(None)),
    "bool": (bool,),
}


def known(cls: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """The fields of the dataclass ``cls`` that this version knows: a newer writer may add some.

    Raises:
        TypeError: one is of another type than the dataclass says, or these are no fields at all.
    """
    if not isinstance(values, dict):
        raise TypeError(f"{values!r} is no {cls.__name__}")
    found = {f.name: values[f.name] for f in fields(cls) if f.name in values}
    for name, wanted in ((f.name, _TYPES.get(str(f.type))) for f in fields(cls) if f.name in found):
        if wanted and type(found[name]) not in wanted:
            raise TypeError(f"{name!r} is {found[name]!r}, not {wanted[0].__name__}")
        if wanted and wanted[0] is float and found[name] is not None:
            found[name] = float(found[name])
    return found
