"""Colours, style sheet and icons; light and dark follow the system while the window is open."""

from __future__ import annotations

import weakref
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFont, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from shiboken6 import isValid

RESOURCES = Path(__file__).resolve().parent.parent / "resources"
# Where the system names none of fixed width, as a Windows in another language may.
FIXED_FONTS = ("Consolas", "Courier New", "Menlo", "DejaVu Sans Mono", "Noto Sans Mono")


@dataclass(frozen=True, eq=False, repr=False)
class Colours:
    """Every colour of the interface by what it is for; pairs keep WCAG AA contrast."""

    window: str
    surface: str
    hover: str
    border: str
    control_border: str
    text: str
    muted: str
    disabled: str
    accent: str
    accent_hover: str
    accent_text: str
    accent_soft: str
    danger: str
    danger_hover: str
    danger_text: str
    danger_soft: str
    warning: str
    warning_soft: str
    success: str
    success_soft: str
    focus: str
    code: str
    selection: str
    sidebar: str
    sidebar_text: str
    sidebar_muted: str
    sidebar_current: str
    sidebar_accent: str
    sidebar_wrong: str


LIGHT = Colours(
    window="#f4f6f9",
    surface="#ffffff",
    hover="#edf1f6",
    border="#d9e0e8",
    control_border="#7f8c9b",
    text="#15202b",
    muted="#51606f",
    disabled="#8893a0",
    accent="#0a63bd",
    accent_hover="#08529d",
    accent_text="#ffffff",
    accent_soft="#e4effb",
    danger="#b3261e",
    danger_hover="#951b15",
    danger_text="#ffffff",
    danger_soft="#fdeceb",
    warning="#855000",
    warning_soft="#fff3dc",
    success="#17693a",
    success_soft="#e4f5ea",
    focus="#0a63bd",
    code="#f1f4f7",
    selection="#cfe3f8",
    sidebar="#12283d",
    sidebar_text="#ffffff",
    sidebar_muted="#a9bacb",
    sidebar_current="#214463",
    sidebar_accent="#7cc0ff",
    sidebar_wrong="#ffa198",
)

DARK = Colours(
    window="#12171d",
    surface="#1a2129",
    hover="#242d37",
    border="#303b47",
    control_border="#748394",
    text="#e7ecf1",
    muted="#a5b2bf",
    disabled="#748394",
    accent="#6cb4ff",
    accent_hover="#93c8ff",
    accent_text="#06213d",
    accent_soft="#16304b",
    danger="#ff8f86",
    danger_hover="#ffb0a9",
    danger_text="#3a0a07",
    danger_soft="#3b1f1e",
    warning="#f3b860",
    warning_soft="#362a15",
    success="#70d398",
    success_soft="#173121",
    focus="#93c8ff",
    code="#10151b",
    selection="#24507c",
    sidebar="#0b1015",
    sidebar_text="#f0f4f8",
    sidebar_muted="#95a4b3",
    sidebar_current="#1c2c3c",
    sidebar_accent="#6cb4ff",
    sidebar_wrong="#ff9a90",
)


# Where contrast matters more than calm: black on white, white on black, every edge drawn.
LIGHT_CONTRAST = Colours(
    window="#ffffff",
    surface="#ffffff",
    hover="#e6e6e6",
    border="#000000",
    control_border="#000000",
    text="#000000",
    muted="#3f3f3f",
    disabled="#5a5a5a",
    accent="#00308f",
    accent_hover="#001f5c",
    accent_text="#ffffff",
    accent_soft="#ffffff",
    danger="#8f0000",
    danger_hover="#5c0000",
    danger_text="#ffffff",
    danger_soft="#ffffff",
    warning="#5c3a00",
    warning_soft="#ffffff",
    success="#00490f",
    success_soft="#ffffff",
    focus="#00308f",
    code="#ffffff",
    selection="#bcd6ff",
    sidebar="#000000",
    sidebar_text="#ffffff",
    sidebar_muted="#ffffff",
    sidebar_current="#00308f",
    sidebar_accent="#ffff54",
    sidebar_wrong="#ffb3b3",
)

DARK_CONTRAST = Colours(
    window="#000000",
    surface="#000000",
    hover="#2b2b2b",
    border="#ffffff",
    control_border="#ffffff",
    text="#ffffff",
    muted="#cfcfcf",
    disabled="#a8a8a8",
    accent="#7cd1ff",
    accent_hover="#b8e6ff",
    accent_text="#000000",
    accent_soft="#000000",
    danger="#ffa59e",
    danger_hover="#ffc9c5",
    danger_text="#000000",
    danger_soft="#000000",
    warning="#ffd75e",
    warning_soft="#000000",
    success="#7dff9c",
    success_soft="#000000",
    focus="#ffff54",
    code="#000000",
    selection="#0a4f8f",
    sidebar="#000000",
    sidebar_text="#ffffff",
    sidebar_muted="#ffffff",
    sidebar_current="#0a4f8f",
    sidebar_accent="#ffff54",
    sidebar_wrong="#ffb3b3",
)


@lru_cache(maxsize=256)
def _drawing(name: str, colour: str) -> QByteArray:
    text = (RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    return QByteArray(text.replace("currentColor", colour).encode())


def draw_icon(painter: QPainter, name: str, colour: str, area: QRectF) -> None:
    """Paint one of ``resources/icons`` in a colour; sharp at every scale."""
    from PySide6.QtSvg import QSvgRenderer

    QSvgRenderer(_drawing(name, colour)).render(painter, area)


def pixmap(name: str, colour: str, size: int, ratio: float, gap: int = 0) -> QPixmap:
    """Return an icon of ``size`` device-independent pixels for a screen of that pixel ratio.

    ``gap`` more pixels stay empty at its right.
    """
    image = QPixmap(QSize(round((size + gap) * ratio), round(size * ratio)))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    draw_icon(painter, name, colour, QRectF(0, 0, image.height(), image.height()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


class Theme(QObject):
    """The colours in force; ``changed`` is emitted when they turn light, dark or contrasting."""

    changed = Signal()

    def __init__(self, application: QApplication) -> None:
        super().__init__(application)
        self._application = application
        self._forced: Qt.ColorScheme | None = None
        self._contrast = False
        self._icons: weakref.WeakKeyDictionary[QAction | QAbstractButton, tuple[str, str, int]] = (
            weakref.WeakKeyDictionary()
        )
        self.colours = LIGHT
        hints = application.styleHints()
        hints.colorSchemeChanged.connect(self._follow)
        if hasattr(hints, "accessibility"):  # since Qt 6.10
            hints.accessibility().contrastPreferenceChanged.connect(self._follow)
        self._follow()

    @property
    def dark(self) -> bool:
        """Whether the dark colours are in force."""
        return self.colours in (DARK, DARK_CONTRAST)

    @property
    def contrast(self) -> bool:
        """Whether the system or the user wants high contrast."""
        return self._contrast or system_contrast(self._application)

    def choose(self, appearance: str) -> None:
        """Use an appearance of the settings; for "contrast" the system says light or dark."""
        schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
        self._contrast = appearance == "contrast"
        self.force(schemes.get(appearance))

    def force(self, scheme: Qt.ColorScheme | None) -> None:
        """Use this scheme whatever the system says; None follows the system again."""
        self._forced = scheme
        self._follow()

    def _follow(self) -> None:
        scheme = self._forced or self._application.styleHints().colorScheme()
        choices = (LIGHT_CONTRAST, DARK_CONTRAST) if self.contrast else (LIGHT, DARK)
        self.colours = choices[scheme == Qt.ColorScheme.Dark]
        self._application.setPalette(_palette(self.colours))
        self._application.setStyleSheet(_style_sheet(self.colours, self._application.font()))
        for target, (name, role, gap) in list(self._icons.items()):
            if not isValid(target):  # Qt has deleted it, Python still holds its shell
                del self._icons[target]
                continue
            target.setIcon(self.icon(name, role, gap))
        self.changed.emit()

    def colour(self, role: str) -> QColor:
        """Return a colour by its name in ``Colours``."""
        return QColor(self.colour_name(role))

    def colour_name(self, role: str) -> str:
        """Return a colour by its name in ``Colours``, as ``#rrggbb``."""
        return str(getattr(self.colours, role))

    def icon(self, name: str, role: str = "text", gap: int = 0) -> QIcon:
        """Return an icon in the colour of that role, greyed where disabled."""
        result = QIcon()
        for size, ratio in ((16, 1.0), (16, 2.0)):
            for mode, colour in (
                (QIcon.Mode.Normal, self.colour_name(role)),
                (QIcon.Mode.Disabled, self.colours.disabled),
            ):
                result.addPixmap(pixmap(name, colour, size, ratio, gap), mode)
        return result

    def set_icon(
        self, target: QAction | QAbstractButton, name: str, role: str = "text", gap: int = 0
    ) -> None:
        """Give a button or action an icon that follows the theme."""
        self._icons[target] = (name, role, gap)
        target.setIcon(self.icon(name, role, gap))


def system_contrast(application: QApplication) -> bool:
    """Return whether the system asks for high contrast; Qt knows it since 6.10."""
    hints = application.styleHints()
    if not hasattr(hints, "accessibility"):
        return False
    return bool(hints.accessibility().contrastPreference() == Qt.ContrastPreference.HighContrast)


_theme: Theme | None = None


def theme() -> Theme:
    """Return the application's theme, made at the first call."""
    global _theme
    if _theme is None or not isValid(_theme):
        application = QApplication.instance()
        if not isinstance(application, QApplication):
            raise TypeError("no QApplication yet")
        _theme = Theme(application)
    return _theme


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget one of the style sheet's looks, like ``primary`` or ``title``."""
    if widget.property("role") == role:
        return
    widget.setProperty("role", role)
    restyle(widget)


def restyle(widget: QWidget) -> None:
    """Let the style sheet look again at a widget's properties."""
    # before it was ever shown it has no style yet; asking for it makes all of QStyle's enums
    if widget.testAttribute(Qt.WidgetAttribute.WA_WState_Polished):
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def monospace() -> QFont:
    """Return the system's fixed-width font, as large as the interface's text."""
    from PySide6.QtGui import QFontDatabase, QFontInfo

    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    # By its own name: an alias like "monospace" would give way to the others, which are there for
    # the characters that it lacks.
    named = QFontInfo(font).family()
    fixed = filter(QFontDatabase.isFixedPitch, (named, *FIXED_FONTS))
    font.setFamilies([next(fixed, named), *QApplication.font().families()])
    base = QApplication.font().pointSizeF()
    if base > 0:
        font.setPointSizeF(base)
    return font


def _style_sheet(colours: Colours, font: QFont) -> str:
    size = font.pointSizeF() if font.pointSizeF() > 0 else 10.0
    icons = (RESOURCES / "icons").as_posix()
    contrast = colours in (LIGHT_CONTRAST, DARK_CONTRAST)
    values = asdict(colours) | {
        # where all borders are black or white, a broken one says that a button is off
        "disabled_border": "dashed" if contrast else "solid",
        "disabled_fill": colours.window if contrast else colours.border,
        "icons": icons,
        "tone": "dark" if colours in (DARK, DARK_CONTRAST) else "light",
        "size_title": f"{size * 1.7:.1f}pt",
        "size_heading": f"{size * 1.15:.1f}pt",
        "size_small": f"{size * 0.92:.1f}pt",
    }
    text = (RESOURCES / "style" / "slipway.qss").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _palette(colours: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for target, value in (
        (role.Window, colours.window),
        (role.WindowText, colours.text),
        (role.Base, colours.surface),
        (role.AlternateBase, colours.hover),
        (role.Text, colours.text),
        (role.PlaceholderText, colours.muted),
        (role.Button, colours.surface),
        (role.ButtonText, colours.text),
        (role.BrightText, colours.danger),
        (role.ToolTipBase, colours.surface),
        (role.ToolTipText, colours.text),
        (role.Highlight, colours.selection),
        (role.HighlightedText, colours.text),
        (role.Link, colours.accent),
        (role.LinkVisited, colours.accent),
        (role.Accent, colours.accent),
        (role.Light, colours.surface),
        (role.Midlight, colours.hover),
        (role.Mid, colours.border),
        (role.Dark, colours.control_border),
        (role.Shadow, colours.border),
    ):
        palette.setColor(target, QColor(value))
    for target in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, QColor(colours.disabled))
    return palette
