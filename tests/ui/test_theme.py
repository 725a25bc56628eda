"""Colours that can be read by everybody, and a theme that follows the system."""

from dataclasses import fields

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from ui.theme import DARK, DARK_CONTRAST, LIGHT, LIGHT_CONTRAST, RESOURCES, Colours, theme
from ui.widgets.basics import Icon, button

TEXT = 4.5  # WCAG AA for text
SHAPE = 3.0  # WCAG AA for controls and icons
PAIRS = [
    ("text", "window", TEXT), ("text", "surface", TEXT), ("text", "code", TEXT),
    ("text", "hover", TEXT), ("text", "selection", TEXT), ("text", "accent_soft", TEXT),
    ("text", "danger_soft", TEXT), ("text", "warning_soft", TEXT), ("text", "success_soft", TEXT),
    ("muted", "window", TEXT), ("muted", "surface", TEXT), ("muted", "accent_soft", TEXT),
    ("muted", "danger_soft", TEXT), ("accent", "surface", TEXT), ("accent", "window", TEXT),
    ("accent", "hover", TEXT), ("accent", "code", TEXT), ("danger", "surface", TEXT),
    ("danger", "code", TEXT), ("danger", "danger_soft", TEXT), ("warning", "surface", TEXT),
    ("success", "surface", TEXT), ("accent_text", "accent", TEXT),
    ("accent_text", "accent_hover", TEXT), ("sidebar_text", "sidebar", TEXT),
    ("sidebar_text", "sidebar_current", TEXT), ("sidebar_muted", "sidebar", TEXT),
    ("sidebar_muted", "sidebar_current", TEXT), ("sidebar", "sidebar_accent", TEXT),
    ("control_border", "surface", SHAPE), ("control_border", "window", SHAPE),
    ("focus", "surface", SHAPE), ("focus", "window", SHAPE), ("sidebar_accent", "sidebar", SHAPE),
]  # fmt: skip


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_contrast(colours: Colours, front: str, back: str, least: float) -> None:
    one, two = sorted(luminance(getattr(colours, name)) for name in (front, back))
    assert (two + 0.05) / (one + 0.05) >= least


@pytest.mark.parametrize("colours", [LIGHT_CONTRAST, DARK_CONTRAST], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_high_contrast(colours: Colours, front: str, back: str, least: float) -> None:
    """WCAG AAA for text, and edges as strong as text has to be elsewhere."""
    more = {TEXT: 7.0, SHAPE: TEXT}[least]
    one, two = sorted(luminance(getattr(colours, name)) for name in (front, back))
    assert (two + 0.05) / (one + 0.05) >= more


def test_turning_dark_reaches_icons_and_style(qtbot: QtBot) -> None:
    made = theme()
    made.force(Qt.ColorScheme.Light)
    tool = button("Copy", lambda: None, "copy")
    icon = Icon("copy", "text")
    for widget in (tool, icon):
        qtbot.addWidget(widget)
    light = icon.grab().toImage(), tool.icon().pixmap(20, 16).toImage()
    sheet = str(tool.window().styleSheet())
    with qtbot.waitSignal(made.changed):
        made.force(Qt.ColorScheme.Dark)
    assert made.dark
    dark = icon.grab().toImage(), tool.icon().pixmap(20, 16).toImage()
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert sheet == ""
    made.force(None)


def test_a_button_that_is_gone_is_forgotten(qtbot: QtBot) -> None:
    gone = QPushButton()
    theme().set_icon(gone, "copy")
    with qtbot.waitSignal(gone.destroyed):
        gone.deleteLater()
    theme().force(Qt.ColorScheme.Dark)
    theme().force(None)


def test_every_drawing_can_be_read() -> None:
    assert {field.name for field in fields(Colours)} >= {"text", "window"}
    drawings = sorted((RESOURCES / "icons").glob("*.svg"))
    assert len(drawings) > 30
    for drawing in drawings:
        assert drawing.read_text(encoding="utf-8").startswith("<svg "), drawing.name
