"""How tasks travel to other processes: other people's plug-ins are imported there first.

A task holds instances of plug-ins. They can be unpickled only where the code of their classes is
loaded, and should be only where that code is the same.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Generic, TypeVar

from robust_augcl import foreign

T = TypeVar("T")


@dataclass(frozen=True)
class Parcel(Generic[T]):
    """Something on its way to another process.

    Args:
        plug_ins: of other people, that it may be made of.
        content: itself, pickled.
    """

    plug_ins: tuple[foreign.Foreign, ...]
    content: bytes

    @classmethod
    def of(cls, content: T) -> Parcel[T]:
        """Pack something up.

        >>> Parcel.of({"width": 8}).open()
        {'width': 8}
        """
        return cls(foreign.loaded_foreign(), pickle.dumps(content))

    def open(self) -> T:
        """Unpack it, in the process that it was sent to.

        Raises:
            InputError: a plug-in cannot be imported here, or its source is another one here.
        """
        foreign.load_foreign(self.plug_ins)
        # It comes from the process that started this one, never from a file.
        content: T = pickle.loads(self.content)
        return content
