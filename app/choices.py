"""The words of choices: a form offers them, Review and what was found on a server repeat them."""

from __future__ import annotations

from collections.abc import Sequence

from app.i18n import _

Choices = tuple[tuple[str, str], ...]  # value in the profile, and its words


def container_restarts() -> Choices:
    """Return when Docker starts a container again."""
    return (
        ("unless-stopped", _("Always, unless it was stopped")),
        ("always", _("Always")),
        ("on-failure", _("Only after a failure")),
        ("no", _("Never")),
    )


def service_starts() -> Choices:
    """Return when Windows starts a service."""
    return (
        ("auto", _("When Windows starts")),
        ("delayed-auto", _("A little later, when Windows has started")),
        ("demand", _("Only by hand")),
    )


def service_start_states() -> Choices:
    """Return when Windows starts a service that is there already."""
    return (*service_starts(), ("disabled", _("Never: it is disabled")))


def words_of(choices: Choices, value: str) -> str:
    """Return the words of a value; the value itself where it is none of the choices."""
    return dict(choices).get(value, value)


def waits_words(seconds: Sequence[float]) -> str:
    """Return how long is waited after each crash before a new start; never without seconds."""
    if not seconds:
        return _("Never")
    return _("after {seconds} s").format(seconds=_(", ").join(f"{each:g}" for each in seconds))
