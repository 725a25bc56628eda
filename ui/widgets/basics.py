"""The small pieces every page is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from PySide6.QtCore import QEvent, QObject, QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAction,
    QColor,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractButton,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.errors import SlipwayError
from app.i18n import _
from ui.theme import draw_icon, set_role, theme

Tone = Literal["info", "warning", "error", "success"]
MARGIN_IN_SIGHT = 12  # around what is scrolled to
LEAST_OF_A_NOTICE = 160  # of its height that is to be seen
ICON_GAP = 4  # styles put text too near to a button's icon
TONE_COLOURS = {"info": "accent", "warning": "warning", "error": "danger", "success": "success"}


def close_by_key(window: QWidget) -> None:
    """Let Escape, and what the system closes windows with, close a window."""
    for keys in (QKeySequence("Esc"), QKeySequence(QKeySequence.StandardKey.Close)):
        QShortcut(keys, window).activated.connect(window.close)


def label(text: str = "", role: str = "", *, wrap: bool = True, select: bool = False) -> QLabel:
    """Return a plain-text label in one of the style sheet's looks."""
    result = QLabel(text)
    result.setTextFormat(Qt.TextFormat.PlainText)
    result.setWordWrap(wrap)
    if role:
        result.setProperty("role", role)
    if select:
        result.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
    if wrap:
        policy = result.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Expanding)
        policy.setHeightForWidth(True)
        result.setSizePolicy(policy)
    return result


class Elided(QLabel):
    """One line that gives up its middle where room is short; the whole is its tool tip.

    It can be copied whole from its menu.
    """

    def __init__(self, text: str, role: str = "") -> None:
        super().__init__()
        self.whole = text
        self.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            self.setProperty("role", role)
        self.setToolTip(text)
        self.setAccessibleName(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        copy = QAction(_("Copy"), self)
        copy.triggered.connect(self._copy)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setText(text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        middle = Qt.TextElideMode.ElideMiddle
        self.setText(self.fontMetrics().elidedText(self.whole, middle, self.width()))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.whole)


class PushButton(QPushButton):
    """A button that Enter presses too: Qt's own obeys it in dialogs only."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if not event.isAutoRepeat():  # a key held down must not press what comes next, too
                self.click()
        else:
            super().keyPressEvent(event)


def button(
    text: str, on_click: Callable[[], object], icon: str = "", role: str = ""
) -> QPushButton:
    """Return a button; ``role`` is ``primary``, ``danger``, ``quiet`` or empty."""
    result = PushButton(text)
    if role:
        result.setProperty("role", role)
    if icon:
        colour = {"primary": "accent_text", "danger": "danger", "quiet": "accent"}.get(role, "text")
        theme().set_icon(result, icon, colour, gap=ICON_GAP)
        result.setIconSize(QSize(16 + ICON_GAP, 16))
    result.setAutoDefault(False)
    result.clicked.connect(on_click)
    return result


def tool_button(
    name: str, icon: str, on_click: Callable[[], object], *, checkable: bool = False
) -> QToolButton:
    """Return a button that shows only an icon; ``name`` is its tool tip and accessible name."""
    result = QToolButton()
    result.setToolTip(name)
    result.setAccessibleName(name)
    result.setCheckable(checkable)
    result.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    theme().set_icon(result, icon, "muted")
    result.clicked.connect(on_click)
    return result


def tab_mark() -> QWidget:
    """Return what is never seen and marks a place on Tab's way for controls that come later."""
    result = QWidget()
    result.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # else Qt puts nothing behind it
    result.hide()
    return result


def put_in_tab_order(mark: QWidget, controls: Iterable[QWidget]) -> None:
    """Let Tab come to these controls, made later than their neighbours, at the mark's place."""
    previous = mark
    for control in controls:
        QWidget.setTabOrder(previous, control)
        previous = control


def check_radio(chosen: QAbstractButton) -> None:
    """Choose a radio button without a signal; Tab comes to the chosen one of its group."""
    group = chosen.group()
    group.blockSignals(True)
    chosen.setChecked(True)
    for each in group.buttons():  # Qt does so only when the user chooses
        each.setFocusPolicy(
            Qt.FocusPolicy.StrongFocus if each is chosen else Qt.FocusPolicy.ClickFocus
        )
    group.blockSignals(False)


def line() -> QFrame:
    """Return a thin separating line."""
    result = QFrame()
    result.setProperty("role", "line")
    return result


class Icon(QWidget):
    """A drawing of ``resources/icons``, sharp at every scale, in a colour of the theme."""

    def __init__(self, name: str, role: str = "text", size: int = 20) -> None:
        super().__init__()
        self._name = name
        self._role = role
        self.setFixedSize(size, size)
        theme().changed.connect(self.update)

    def show_icon(self, name: str, role: str) -> None:
        """Show another drawing."""
        self._name, self._role = name, role
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        draw_icon(painter, self._name, theme().colour_name(self._role), QRectF(self.rect()))


class Spinner(QWidget):
    """A turning arc: something is under way."""

    def __init__(self, size: int = 18, role: str = "accent") -> None:
        super().__init__()
        self._role = role
        self._angle = 0
        self.setFixedSize(size, size)
        self._timer = QTimer(self)
        self._timer.setInterval(60)
        self._timer.timeout.connect(self._turn)

    def showEvent(self, event: QShowEvent) -> None:
        self._timer.start()
        super().showEvent(event)

    def hideEvent(self, event: object) -> None:
        self._timer.stop()

    def _turn(self) -> None:
        self._angle = (self._angle - 24) % 360
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_spinner(painter, QRectF(self.rect()), theme().colour(self._role), self._angle)


def paint_spinner(painter: QPainter, area: QRectF, colour: QColor, angle: int) -> None:
    """Paint an open arc turned by ``angle`` degrees."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, 2.0)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawArc(area.adjusted(3, 3, -3, -3), angle * 16, 270 * 16)


class Card(QFrame):
    """A framed group under an optional heading; add to ``body``."""

    def __init__(self, heading: str = "", lead: str = "") -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(20, 16, 20, 18)
        self.body.setSpacing(10)
        if heading:
            self.body.addWidget(label(heading, "heading"))
        if lead:
            self.body.addWidget(label(lead, "muted"))


def bring_into_sight(widget: QWidget) -> None:
    """Scroll to a whole widget, or to its top, where it lies in a scroll area."""
    area = widget.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if area is None:
        return
    bar = area.verticalScrollBar()
    top = bar.value() + widget.mapTo(area, QPoint(0, 0)).y() - MARGIN_IN_SIGHT
    bottom = top + widget.height() + 2 * MARGIN_IN_SIGHT
    bar.setValue(min(top, max(bar.value(), bottom - area.viewport().height())))


class SearchEdit(QLineEdit):
    """A field for words that are looked for: Escape takes them away before it closes a window."""

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self.text():
            if event.type() == QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress:
                self.clear()
                return True
        return super().event(event)


class Notice(QFrame):
    """A coloured box that says something in words; hidden while it has nothing to say."""

    def __init__(self, tone: Tone = "info", title: str = "", text: str = "") -> None:
        super().__init__()
        layout = self._row = QHBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(12)
        self._icon = Icon("info", "accent")
        layout.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout()
        column.setSpacing(4)
        self._title = label(role="heading", select=True)
        self._text = label(select=True)
        column.addWidget(self._title)
        column.addWidget(self._text)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(8)
        column.addLayout(self.buttons)
        layout.addLayout(column, 1)
        self._error: SlipwayError | None = None
        self._copy: QToolButton | None = None
        self._copy_mark = tab_mark()
        layout.addWidget(self._copy_mark)
        self.say(tone, title, text)

    @property
    def text(self) -> str:
        """What it says, title first; empty if it has nothing to say."""
        return f"{self._title.text()}\n{self._text.text()}".strip()

    def say(self, tone: Tone, title: str, text: str = "") -> None:
        """Say something else; without title and text the box disappears."""
        self._error = None
        if self._copy is not None:
            self._copy.hide()
        set_role(self, tone)
        names = {"info": "info", "warning": "warning", "error": "error", "success": "success"}
        self._icon.show_icon(names[tone], TONE_COLOURS[tone])
        for widget, words in ((self._title, title), (self._text, text)):
            widget.setText(words)
            widget.setVisible(bool(words))
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)
        wanted = bool(title or text)
        # shown without a parent it would be a window of its own
        if self.parentWidget() is not None or not wanted:
            self.setVisible(wanted)

    def follow(self, control: QWidget) -> None:
        """Let Tab come to the box's buttons behind a control."""
        put_in_tab_order(control, [*self.findChildren(QPushButton), self._copy_mark])

    def say_calmly(self, error: SlipwayError) -> None:
        """Say what has to be answered before it goes on, or was stopped: nothing is wrong."""
        self.say("info", error.title, _why_and_what(error))

    def say_error(self, error: SlipwayError) -> None:
        """Say what happened, why, and what to do next; a button copies it as a report."""
        self.say("error", error.title, _why_and_what(error))
        self._error = error
        if self._copy is None:
            self._copy = tool_button(_("Copy report"), "copy", self._copy_report)
            self._row.addWidget(self._copy, 0, Qt.AlignmentFlag.AlignTop)
            put_in_tab_order(self._copy_mark, [self._copy])
        self._copy.show()

    def _copy_report(self) -> None:
        from ui.report import error_report

        if self._error is not None:
            QGuiApplication.clipboard().setText(error_report(self._error))

    def clear(self) -> None:
        """Disappear."""
        self.say("info", "")


class NoticeArea(QScrollArea):
    """Shows a notice whole where there is room for it, and lets one scroll in it elsewhere."""

    def __init__(self, notice: Notice) -> None:
        super().__init__()
        self._notice = notice
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setWidgetResizable(True)
        self.setWidget(notice)  # which shows it, whatever it has to say
        if not notice.text:
            notice.hide()
            self.hide()
        self.verticalScrollBar().rangeChanged.connect(self._range_changed)
        self._range_changed(0, 0)

    def _range_changed(self, _least: int, most: int) -> None:
        """Let Tab come here where there is something to scroll."""
        self.setAccessibleName(self._notice.accessibleName())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if most else Qt.FocusPolicy.NoFocus)

    def sizeHint(self) -> QSize:
        width = self.viewport().width()
        return QSize(width, self._notice.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, min(self.sizeHint().height(), LEAST_OF_A_NOTICE))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.updateGeometry()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kinds = (QEvent.Type.ShowToParent, QEvent.Type.HideToParent, QEvent.Type.LayoutRequest)
        if watched is self._notice and event.type() in kinds:
            says = not self._notice.isHidden()
            if self.parentWidget() is not None or not says:  # else it would be a window
                self.setVisible(says)
            self.updateGeometry()
        return super().eventFilter(watched, event)


def _why_and_what(error: SlipwayError) -> str:
    return "\n".join(part for part in (error.detail, error.hint) if part)


class Disclosure(QWidget):
    """A heading that opens and closes what is under it; add to ``body``."""

    toggled = Signal(bool)

    def __init__(self, heading: str, *, opened: bool = False) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self.button = button(heading, self._toggle, role="fold")
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        self._content = QWidget()
        self.body = QVBoxLayout(self._content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(10)
        layout.addWidget(self._content)
        self.set_opened(opened)

    @property
    def opened(self) -> bool:
        """Whether the content shows."""
        return not self._content.isHidden()

    def set_opened(self, opened: bool) -> None:
        """Open or close it."""
        self._content.setVisible(opened)
        theme().set_icon(self.button, "chevron-down" if opened else "chevron-right", "muted")
        self.button.setAccessibleDescription(_("Expanded") if opened else _("Collapsed"))
        self.toggled.emit(opened)

    def _toggle(self) -> None:
        self.set_opened(not self.opened)
        if self.opened:
            QTimer.singleShot(0, self, self._show_content)  # it has its height only then

    def _show_content(self) -> None:
        bring_into_sight(self)
