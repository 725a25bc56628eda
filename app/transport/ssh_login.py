"""Logging in: keys, password, and whatever else the server asks, in one go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import paramiko

from app.credentials import Credentials
from app.errors import AuthError
from app.i18n import _
from app.transport import Secret
from app.transport.ssh_config import Endpoint
from app.transport.ssh_keys import KeyRing, locked_error

# sshd's MaxAuthTries is 6: with more keys there would be no try left for a password.
MOST_KEYS = 4
# An agent may ask its owner first.
AUTH_SECONDS = 60.0
# As long as a person may need for a code; sshd's LoginGraceTime is 2 minutes.
ANSWER_SECONDS = 120.0
_PASSWORD_PROMPT = re.compile(
    r"passw|pwd|kennwort|contraseña|mot de passe|密码|密碼|口令", re.IGNORECASE
)


class Login:
    """One login on one connection. Nothing is sent before the host key was checked."""

    def __init__(
        self, transport: paramiko.Transport, endpoint: Endpoint, credentials: Credentials
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._credentials = credentials
        self._ring = KeyRing(endpoint, credentials.passphrase)
        self._keys = self._ring.candidates()
        self._keys_tried = 0
        self._more_keys = False
        self._password_used = False
        self._asked = self._answer_refused = False
        self._unanswered: list[str] = []
        self._problem: BaseException | None = None
        self._allowed: tuple[str, ...] = ()

    def run(self) -> None:
        """Log in; raises AuthError, or what paramiko raises for a broken connection."""
        self._transport.auth_timeout = AUTH_SECONDS
        todo = self._attempt(lambda: self._transport.auth_none(self._endpoint.user))
        while todo is not None:
            self._allowed = tuple(todo)
            todo = self._next_factor(todo)
            if todo == ():
                raise self._refused()

    def _next_factor(self, allowed: Iterable[str]) -> tuple[str, ...] | None:
        """Try what is allowed; return None when logged in, () when nothing helped.

        Else what the server wants on top of what it has just accepted.
        """
        ways: dict[str, Callable[[], tuple[str, ...] | None]] = {
            "publickey": self._with_keys,
            "keyboard-interactive": self._with_answers,
            "password": self._with_password,
        }
        for name, way in ways.items():
            if name in allowed:
                outcome = way()
                if outcome != ():
                    return outcome
        return ()

    def _attempt(self, attempt: Callable[[], object]) -> tuple[str, ...] | None:
        """Return None when logged in, the methods to go on with, or () when refused."""
        try:
            further = attempt()
        except paramiko.BadAuthenticationType as refusal:
            further = refusal.allowed_types if not self._allowed else ()
        except paramiko.AuthenticationException:
            if not self._transport.is_active():
                raise
            further = ()
        if self._problem is not None:
            raise self._problem
        if self._transport.is_authenticated():
            return None
        return tuple(str(name) for name in further or ())  # type: ignore[attr-defined]

    def _with_keys(self) -> tuple[str, ...] | None:
        for key in self._keys:
            if self._keys_tried == MOST_KEYS:
                self._more_keys = True
                self._ring.names.pop()
                return ()
            self._keys_tried += 1
            outcome = self._attempt(lambda k=key: self._try_key(k))  # type: ignore[misc]
            if outcome != ():
                return outcome
        return ()

    def _try_key(self, key: paramiko.PKey) -> object:
        try:
            return self._transport.auth_publickey(self._endpoint.user, key)
        except paramiko.AuthenticationException:
            raise
        except paramiko.SSHException:
            # The agent did not sign, or it is a type that this server does not know.
            if not self._transport.is_active():
                raise
            return ()

    def _with_password(self) -> tuple[str, ...] | None:
        password = self._credentials.password
        if self._password_used or password is None:
            password = self._ask_password()
        if password is None:
            return ()
        self._password_used = True
        text = password.reveal()
        return self._attempt(
            lambda: self._transport.auth_password(self._endpoint.user, text, fallback=False)
        )

    def _ask_password(self) -> Secret | None:
        """Ask the user, where there is one, for a password that was not given beforehand."""
        if self._credentials.answer is None or self._credentials.password is not None:
            return None
        if self._answer_refused:  # one who has just answered is told so before he is asked again
            return None
        question = ((_("Password of {endpoint}:").format(endpoint=self._endpoint), False),)
        answers = self._credentials.answer("", question)
        return answers[0] if answers else None

    def _with_answers(self) -> tuple[str, ...] | None:
        if self._credentials.password is None and self._credentials.answer is None:
            return ()
        self._transport.auth_timeout = ANSWER_SECONDS if self._credentials.answer else AUTH_SECONDS
        try:
            outcome = self._attempt(
                lambda: self._transport.auth_interactive(self._endpoint.user, self._answers)
            )
            self._answer_refused = outcome == () and self._asked
            return outcome
        finally:
            self._transport.auth_timeout = AUTH_SECONDS

    def _answers(self, title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        """Answer one round of questions; called in paramiko's thread, where nothing may raise."""
        try:
            return self._answer_round("\n".join(filter(None, (title, instructions))), prompts)
        except BaseException as problem:  # noqa: BLE001 (raised again in the caller's thread)
            self._problem = problem
            return [""] * len(prompts)

    def _answer_round(self, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        answers: dict[int, str] = {}
        password = self._credentials.password
        for index, (prompt, echo) in enumerate(prompts):
            if password and not echo and not self._password_used and _asks_password(prompt):
                answers[index] = password.reveal()
                self._password_used = True
        open_ones = [index for index in range(len(prompts)) if index not in answers]
        if open_ones:
            asked = tuple(prompts[index] for index in open_ones)
            for index, secret in zip(open_ones, self._ask(instructions, asked), strict=False):
                answers[index] = secret.reveal()
        return [answers.get(index, "") for index in range(len(prompts))]

    def _ask(self, instructions: str, prompts: tuple[tuple[str, bool], ...]) -> tuple[Secret, ...]:
        if self._credentials.answer is None:
            self._unanswered += [prompt.strip() for prompt, _echo in prompts]
            return ()
        self._asked = True
        return self._credentials.answer(instructions, prompts)

    def _refused(self) -> AuthError:
        endpoint = self._endpoint
        if self._ring.locked and not self._password_used:
            return locked_error(
                self._ring.locked[0], given=self._credentials.passphrase is not None
            )
        title = _("{endpoint} refused the login.").format(endpoint=endpoint)
        if self._unanswered and self._credentials.password is not None:
            asked = ", ".join(f"“{prompt}”" for prompt in self._unanswered)
            return AuthError(
                title,
                _("It also asked {questions}, which nobody answered.").format(questions=asked),
                _("Log in where the question can be answered, or use a key."),
            )
        tried = [*self._ring.names, *([_("the password")] if self._password_used else [])]
        detail = _("It allows: {allowed}. Tried: {tried}.").format(
            allowed=", ".join(self._allowed) or _("nothing"),
            tried=", ".join(tried) or _("nothing, there was no key and no password"),
        )
        return AuthError(title, detail, self._remedy(), needs=self._needs())

    def _needs(self) -> str:
        wants = {"password", "keyboard-interactive"} & set(self._allowed)
        return "password" if wants else ""

    def _remedy(self) -> str:
        if self._more_keys:
            return _(
                "Only the first {count} keys were tried, because servers hang up after some more: "
                "choose the right key for this target."
            ).format(count=MOST_KEYS)
        if self._needs():
            return _("Check the user's name and the password, or choose the right key.")
        return _(
            "Check the user's name, choose the right key, and see that its public half is in "
            "~/.ssh/authorized_keys on the server."
        )


def _asks_password(prompt: str) -> bool:
    return bool(_PASSWORD_PROMPT.search(prompt))
