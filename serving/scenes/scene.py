"""What a scene shows: one group of equal things, or two and how they lie."""

from dataclasses import dataclass
from typing import Literal, get_args

Size = Literal["small", "medium", "large"]
Place = Literal["above", "below", "left", "right"]
SIZES: tuple[Size, ...] = get_args(Size)
PLACES: tuple[Place, ...] = get_args(Place)
# Of each size, how many lie beside each other in a scene.
ROOM: dict[Size, int] = {"small": 3, "medium": 3, "large": 2}
MOST = max(ROOM.values())


@dataclass(frozen=True)
class Group:
    """Things of one kind, colour and size.

    Attributes:
        count: 1 to `ROOM[size]`.
        thing: in the singular, such as "seven" or "sun".
        colour: of a digit; None of what has colours of its own.
        size: of each.
    """

    count: int
    thing: str
    colour: str | None = None
    size: Size = "medium"

    @property
    def kind(self) -> tuple[str, str | None]:
        """What it is and in which colour."""
        return self.thing, self.colour


@dataclass(frozen=True)
class Scene:
    """One group, or two of different kinds.

    Attributes:
        first: what is told first.
        place: where that lies, seen from the second group; None where there is none.
        second: of another kind than the first.

    Example:
        >>> red, blue = Group(2, "three", "red"), Group(1, "seven", "blue")
        >>> Scene(red, "above", blue).turned == Scene(blue, "below", red)
        True
    """

    first: Group
    place: Place | None = None
    second: Group | None = None

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, that which is told first first."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def turned(self) -> "Scene":
        """The same scene, told beginning with the other group."""
        if self.second is None or self.place is None:
            return self
        opposite: dict[Place, Place] = {
            "above": "below",
            "below": "above",
            "left": "right",
            "right": "left",
        }
        return Scene(self.second, opposite[self.place], self.first)
