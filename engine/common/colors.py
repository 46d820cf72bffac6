"""Colours, as charts have them: .NET's by name, and any of red, green and blue."""

from __future__ import annotations

from typing import ClassVar

from engine.common.naming import LeanObject, pascal_case

_OPAQUE = 255
_NAMED = """
    ALICE_BLUE=F0F8FF ANTIQUE_WHITE=FAEBD7 AQUA=00FFFF AQUAMARINE=7FFFD4 AZURE=F0FFFF
    BEIGE=F5F5DC BISQUE=FFE4C4 BLACK=000000 BLANCHED_ALMOND=FFEBCD BLUE=0000FF BLUE_VIOLET=8A2BE2
    BROWN=A52A2A BURLY_WOOD=DEB887 CADET_BLUE=5F9EA0 CHARTREUSE=7FFF00 CHOCOLATE=D2691E
    CORAL=FF7F50 CORNFLOWER_BLUE=6495ED CORNSILK=FFF8DC CRIMSON=DC143C CYAN=00FFFF
    DARK_BLUE=00008B DARK_CYAN=008B8B DARK_GOLDENROD=B8860B DARK_GRAY=A9A9A9 DARK_GREEN=006400
    DARK_KHAKI=BDB76B DARK_MAGENTA=8B008B DARK_OLIVE_GREEN=556B2F DARK_ORANGE=FF8C00
    DARK_ORCHID=9932CC DARK_RED=8B0000 DARK_SALMON=E9967A DARK_SEA_GREEN=8FBC8F
    DARK_SLATE_BLUE=483D8B DARK_SLATE_GRAY=2F4F4F DARK_TURQUOISE=00CED1 DARK_VIOLET=9400D3
    DEEP_PINK=FF1493 DEEP_SKY_BLUE=00BFFF DIM_GRAY=696969 DODGER_BLUE=1E90FF FIREBRICK=B22222
    FLORAL_WHITE=FFFAF0 FOREST_GREEN=228B22 FUCHSIA=FF00FF GAINSBORO=DCDCDC GHOST_WHITE=F8F8FF
    GOLD=FFD700 GOLDENROD=DAA520 GRAY=808080 GREEN=008000 GREEN_YELLOW=ADFF2F HONEYDEW=F0FFF0
    HOT_PINK=FF69B4 INDIAN_RED=CD5C5C INDIGO=4B0082 IVORY=FFFFF0 KHAKI=F0E68C LAVENDER=E6E6FA
    LAVENDER_BLUSH=FFF0F5 LAWN_GREEN=7CFC00 LEMON_CHIFFON=FFFACD LIGHT_BLUE=ADD8E6
    LIGHT_CORAL=F08080 LIGHT_CYAN=E0FFFF LIGHT_GOLDENROD_YELLOW=FAFAD2 LIGHT_GRAY=D3D3D3
    LIGHT_GREEN=90EE90 LIGHT_PINK=FFB6C1 LIGHT_SALMON=FFA07A LIGHT_SEA_GREEN=20B2AA
    LIGHT_SKY_BLUE=87CEFA LIGHT_SLATE_GRAY=778899 LIGHT_STEEL_BLUE=B0C4DE LIGHT_YELLOW=FFFFE0
    LIME=00FF00 LIME_GREEN=32CD32 LINEN=FAF0E6 MAGENTA=FF00FF MAROON=800000
    MEDIUM_AQUAMARINE=66CDAA MEDIUM_BLUE=0000CD MEDIUM_ORCHID=BA55D3 MEDIUM_PURPLE=9370DB
    MEDIUM_SEA_GREEN=3CB371 MEDIUM_SLATE_BLUE=7B68EE MEDIUM_SPRING_GREEN=00FA9A
    MEDIUM_TURQUOISE=48D1CC MEDIUM_VIOLET_RED=C71585 MIDNIGHT_BLUE=191970 MINT_CREAM=F5FFFA
    MISTY_ROSE=FFE4E1 MOCCASIN=FFE4B5 NAVAJO_WHITE=FFDEAD NAVY=000080 OLD_LACE=FDF5E6
    OLIVE=808000 OLIVE_DRAB=6B8E23 ORANGE=FFA500 ORANGE_RED=FF4500 ORCHID=DA70D6
    PALE_GOLDENROD=EEE8AA PALE_GREEN=98FB98 PALE_TURQUOISE=AFEEEE PALE_VIOLET_RED=DB7093
    PAPAYA_WHIP=FFEFD5 PEACH_PUFF=FFDAB9 PERU=CD853F PINK=FFC0CB PLUM=DDA0DD POWDER_BLUE=B0E0E6
    PURPLE=800080 REBECCA_PURPLE=663399 RED=FF0000 ROSY_BROWN=BC8F8F ROYAL_BLUE=4169E1
    SADDLE_BROWN=8B4513 SALMON=FA8072 SANDY_BROWN=F4A460 SEA_GREEN=2E8B57 SEA_SHELL=FFF5EE
    SIENNA=A0522D SILVER=C0C0C0 SKY_BLUE=87CEEB SLATE_BLUE=6A5ACD SLATE_GRAY=708090 SNOW=FFFAFA
    SPRING_GREEN=00FF7F STEEL_BLUE=4682B4 TAN=D2B48C TEAL=008080 THISTLE=D8BFD8 TOMATO=FF6347
    TURQUOISE=40E0D0 VIOLET=EE82EE WHEAT=F5DEB3 WHITE=FFFFFF WHITE_SMOKE=F5F5F5 YELLOW=FFFF00
    YELLOW_GREEN=9ACD32
"""


class Color(LeanObject):
    """A colour: `Color.RED` or `Color.from_argb(...)`.

    Attributes:
        a, r, g, b: opacity and channels, 0 to 255.
        name: LEAN's name of the colour, else its hexadecimal digits.
    """

    EMPTY: ClassVar[Color]

    def __init__(self, a: int, r: int, g: int, b: int, name: str | None = None) -> None:
        self.a, self.r, self.g, self.b = a, r, g, b
        self.is_named_color = self.is_known_color = name is not None
        self.name = f"{a:02x}{r:02x}{g:02x}{b:02x}" if name is None else name

    @staticmethod
    def from_argb(*channels: int) -> Color:
        """Make a colour of ([opacity,] red, green, blue) or (opacity, colour)."""
        if isinstance(channels[-1], Color):
            base = channels[-1]
            return Color(channels[0], base.r, base.g, base.b)
        a, r, g, b = (_OPAQUE, *channels)[-4:]
        return Color(a, r, g, b)

    @staticmethod
    def from_name(name: str) -> Color:
        """The colour of a name, in any case; an unknown one is transparent black, as in .NET."""
        for named in _BY_NAME:
            if named.name.lower() == name.lower():
                return named
        return Color(0, 0, 0, 0, name)

    @property
    def is_empty(self) -> bool:
        """True for `Color.EMPTY`, which leaves the choice to the viewer."""
        return self is Color.EMPTY

    def to_argb(self) -> int:
        """The colour as a signed number of 32 bits."""
        number = self.a << 24 | self.r << 16 | self.g << 8 | self.b
        return number - (1 << 32) if self.a > _OPAQUE // 2 else number

    def html(self) -> str:
        """The colour as `#RRGGBB`, empty for none."""
        return "" if self.is_empty else f"#{self.r:02X}{self.g:02X}{self.b:02X}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Color) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, int, int, int, str]:
        return self.a, self.r, self.g, self.b, self.name

    def __str__(self) -> str:
        if self.is_empty:
            return "Color [Empty]"
        if self.is_named_color:
            return f"Color [{self.name}]"
        return f"Color [A={self.a}, R={self.r}, G={self.g}, B={self.b}]"


def _named(entry: str) -> Color:
    name, digits = entry.split("=")
    red, green, blue = bytes.fromhex(digits)
    color = Color(_OPAQUE, red, green, blue, pascal_case(name.lower()))
    setattr(Color, name, color)
    return color


_BY_NAME = [_named(entry) for entry in _NAMED.split()]
Color.EMPTY = Color(0, 0, 0, 0, "0")
Color.TRANSPARENT = Color(0, 255, 255, 255, "Transparent")  # type: ignore[attr-defined]
