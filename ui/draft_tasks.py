"""What the draft's answers are run as: deployed, or an interrupted run taken back or finished."""

from __future__ import annotations

from app.history import History
from ui.draft import Draft
from ui.run import Access, Task, plan_task, recover_task, resume_task


def access(draft: Draft) -> Access:
    """Return the way to the draft's server."""
    if draft.target is None:
        raise RuntimeError("no server was named")
    return Access(draft.sign_ins.visit(draft.request, draft.target), draft.transport)


def deploy(draft: Draft, history: History) -> Task | None:
    """Return the task that carries out the draft's plan; None without one."""
    plan = draft.plan
    if plan is None:
        return None
    return plan_task(
        plan,
        draft.request,
        access(draft),
        history,
        secrets=dict(draft.secrets),
        registry_password=draft.values.registry_password(draft.request),
    )


def take_back(draft: Draft, history: History) -> Task | None:
    """Return the task that undoes the interrupted run on the draft's server; None unlooked at."""
    if draft.facts is None:
        return None
    return recover_task(draft.request, draft.facts, access(draft), history)


def lacks_values(draft: Draft) -> bool:
    """Return whether finishing the interrupted run needs values of secrets that nobody gave.

    Going back to a release that has served needs nothing from this computer.
    """
    records = draft.facts.records if draft.facts else None
    if records is None or records.interrupted is None:
        return False
    new = records.interrupted.release not in records.state.verified
    return new and bool(draft.missing_secrets)


def finish(draft: Draft, history: History) -> Task | None:
    """Return the task that goes on with the interrupted run; None if it was not looked at."""
    if draft.facts is None:
        return None
    return resume_task(
        draft.request,
        draft.facts,
        draft.package,
        access(draft),
        history,
        dict(draft.secrets),
        draft.values.registry_password(draft.request),
    )
