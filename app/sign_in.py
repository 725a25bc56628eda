"""Logging in from the command line: environment, keyring, and questions where somebody is there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from app.console import Console
from app.credentials import Credentials, KnownHosts, PasswordStore, Prompts, What
from app.errors import AuthError, SlipwayError, UntrustedHost
from app.host import connect
from app.i18n import _, sentences
from app.request import Target
from app.transport import Secret, Transport

VARIABLES: dict[What, str] = {
    "password": "SLIPWAY_PASSWORD",
    "passphrase": "SLIPWAY_KEY_PASSPHRASE",
    "sudo": "SLIPWAY_SUDO_PASSWORD",
}
ATTEMPTS = 3


@dataclass(slots=True)
class SignIn:
    """Connects to one target; what was asked once is not asked again when reconnecting.

    ``host_key`` is the fingerprint (``SHA256:…``) that an unknown server must show, or "".
    """

    target: Target
    console: Console
    host_key: str = ""
    known_hosts: KnownHosts = field(default_factory=KnownHosts)
    store: PasswordStore = field(default_factory=PasswordStore)
    credentials: Credentials = field(default_factory=Credentials)

    def __post_init__(self) -> None:
        if self.target.transport != "local":
            self.credentials = Credentials(
                self._known("password"),
                self._known("passphrase"),
                self._known("sudo"),
                self._answer if self.console.interactive else None,
            )

    def connect(self) -> Transport:
        """Return an open transport, asking a person where that helps; raises ConnectError."""
        attempts = 0
        while True:
            known = self.credentials
            try:
                transport = self.reconnect()
                if transport.sudo != "ask" or known is self.credentials:
                    return transport
                transport.close()  # the password that was typed meanwhile may be sudo's too
            except UntrustedHost as unknown:
                self._judge(unknown)
            except AuthError as refused:
                attempts += 1
                self._ask(refused, attempts)

    def reconnect(self) -> Transport:
        """Return an open transport without asking anybody."""
        return connect(self.target, self.credentials, self.known_hosts, self.console.say)

    def ask_sudo(self) -> None:
        """Ask a person for the sudo password; used from the next connection on."""
        prompt = _("sudo password for {target}").format(target=self.target)
        self.credentials = replace(self.credentials, sudo_password=self.console.ask(prompt))

    def _known(self, what: What) -> Secret | None:
        if value := os.environ.get(VARIABLES[what]):
            return Secret(value)
        try:
            return self.store.get(self.target, what)
        except SlipwayError:
            return None  # no keyring here: the environment or a person has to say it

    def _judge(self, unknown: UntrustedHost) -> None:
        """Trust an unknown server if it is the one named or a person says so, else raise."""
        if unknown.changed:
            raise unknown
        if self.host_key:
            if self.host_key != unknown.fingerprint:
                raise SlipwayError(
                    _("{host} is not the server that --host-key names.").format(host=unknown.host),
                    _("It shows {shown}, expected was {expected}.").format(
                        shown=unknown.fingerprint, expected=self.host_key
                    ),
                    _("Nothing was sent. Check the fingerprint and the address."),
                )
        elif self.console.interactive:
            self.console.warn(f"{unknown.title}\n{unknown.detail}\n{unknown.hint}")
            if not self.console.confirm(_("Trust this server from now on?")):
                raise unknown
        else:
            unknown.hint = _(
                "Compare the fingerprint with the one the server's owner gives you, "
                "then add --host-key {fingerprint}."
            ).format(fingerprint=unknown.fingerprint)
            raise unknown
        self.known_hosts.trust(unknown)

    def _ask(self, refused: AuthError, attempts: int) -> None:
        """Ask for the secret that was missing or wrong, or raise with what would help."""
        what = next((known for known in VARIABLES if known == refused.needs), None)
        if what is None:
            raise refused
        if not self.console.interactive or attempts > ATTEMPTS:
            if self.console.interactive:
                raise refused
            words = (
                _("{hint} What was given came from {variable}.")
                if VARIABLES[what] in os.environ
                else _("{hint} Without a terminal, set {variable}.")
            )
            refused.hint = words.format(hint=refused.hint, variable=VARIABLES[what])
            raise refused
        self.console.warn(refused.title)
        prompts = {
            "password": _("Password for {target}"),
            "passphrase": _("Passphrase of the key for {target}"),
            "sudo": _("sudo password for {target}"),
        }
        secret = self.console.ask(prompts[what].format(target=self.target))
        if what == "password":
            self.credentials = replace(self.credentials, password=secret)
        elif what == "passphrase":
            self.credentials = replace(self.credentials, passphrase=secret)
        else:
            self.credentials = replace(self.credentials, sudo_password=secret)

    def _answer(self, instructions: str, prompts: Prompts) -> tuple[Secret, ...]:
        """Answer what the server itself asks; a password is kept for sudo and reconnecting."""
        if instructions:
            self.console.warn(instructions)
        given = []
        for text, echo in prompts:
            prompt = text.strip().rstrip(":：")
            if len(prompts) == 1 and not echo and prompt.casefold() == "password":
                prompt = _("Password for {target}").format(target=self.target)
            if str(self.target) not in prompt:
                prompt = f"{self.target}: {prompt}"
            given.append(self.console.ask(prompt, echo=echo))
        if len(prompts) == 1 and not prompts[0][1] and "password" in prompts[0][0].casefold():
            self.credentials = replace(self.credentials, password=given[0])
        return tuple(given)


def service_secrets(
    service: str, names: Iterable[str], console: Console, store: PasswordStore
) -> dict[str, Secret]:
    """Return the values of a service's secrets: environment, keyring, or a person.

    Raises SlipwayError, naming the first that nobody knows.
    """
    found = {}
    for name in names:
        variable = f"SLIPWAY_SECRET_{name}"
        value = Secret(os.environ[variable]) if variable in os.environ else None
        reason = ""
        if value is None:
            try:
                value = store.get_secret(service, name)
            except SlipwayError as problem:
                reason = sentences(problem.title, problem.detail)
        if value is None and console.interactive:
            value = console.ask(_("Value of the secret {name}").format(name=name))
        if value is None:
            raise SlipwayError(
                _("The secret {name} has no value.").format(name=name),
                reason or _("Neither environment nor keyring hold one."),
                (
                    _("Set {variable}.")
                    if reason
                    else _("Set {variable}, or let the wizard keep it in the keyring.")
                ).format(variable=variable),
            )
        found[name] = value
    return found


def registry_password(registry: str, user: str, console: Console) -> Secret | None:
    """Return the password for pushing to a registry, or None where no user is named."""
    if not registry or not user:
        return None
    if value := os.environ.get("SLIPWAY_REGISTRY_PASSWORD"):
        return Secret(value)
    if console.interactive:
        return console.ask(
            _("Password of {user} at {registry}").format(user=user, registry=registry)
        )
    raise SlipwayError(
        _("The registry {registry} wants a password.").format(registry=registry),
        _("The profile names the user {user}.").format(user=user),
        _("Set SLIPWAY_REGISTRY_PASSWORD."),
    )
