"""The statements of the journal that change tasks: what each event does to a task, by the state it is in."""

from __future__ import annotations

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Priority
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE, CRASHES_UNTIL_FAILED, MOST_DOUBLINGS
from modelshelf.store.task_rows import FOLDER_OF, KINDS_READ_APART

_ON_CONFLICT = f"""ON CONFLICT (kind, subject, path) DO UPDATE SET
        state = CASE state WHEN 'failed' THEN 'queued' ELSE state END,
        attempts = CASE state WHEN 'failed' THEN 0 ELSE attempts END,
        crashes = CASE state WHEN 'failed' THEN 0 ELSE crashes END,
        last_error = CASE state WHEN 'failed' THEN NULL ELSE last_error END,
        failure_kind = CASE state WHEN 'failed' THEN NULL ELSE failure_kind END,
        failed_at = CASE state WHEN 'failed' THEN NULL ELSE failed_at END,
        queued_at = CASE state WHEN 'queued' THEN queued_at ELSE excluded.queued_at END,
        due_at = CASE WHEN state = 'failed' THEN excluded.due_at
            WHEN state = 'running' OR crashes > {CRASHES_UNTIL_ALONE} AND excluded.priority < {Priority.PERSON:d} THEN due_at
            ELSE min(due_at, excluded.due_at) END,
        priority = CASE state WHEN 'queued' THEN max(priority, excluded.priority)
            WHEN 'failed' THEN excluded.priority ELSE priority END,
        is_forced = CASE state WHEN 'queued' THEN is_forced OR excluded.is_forced
            WHEN 'failed' THEN excluded.is_forced ELSE is_forced END,
        run_id = CASE state WHEN 'failed' THEN coalesce(excluded.run_id, run_id)
            ELSE coalesce(run_id, excluded.run_id) END,
        again_due_at = CASE state WHEN 'running'
            THEN min(coalesce(again_due_at, excluded.due_at), excluded.due_at) END,
        again_priority = CASE state WHEN 'running'
            THEN max(coalesce(again_priority, excluded.priority), excluded.priority) END,
        again_is_forced = CASE state WHEN 'running' THEN coalesce(again_is_forced, 0) OR excluded.is_forced END
    WHERE state <> 'failed' OR crashes < {CRASHES_UNTIL_FAILED} OR excluded.priority >= {Priority.PERSON:d}"""

ADD = {
    subject: f"""INSERT INTO tasks (kind, subject, path, folder_id, state, priority, queued_at, due_at, run_id, is_forced)
        VALUES (:kind, :subject, :path, {folder_id}, 'queued', :priority, :now, :due_at, :run_id, :is_forced)
        {_ON_CONFLICT}"""  # noqa: S608 - constants only
    for subject, folder_id in FOLDER_OF.items()
}
"""A queued task takes the earlier time and the higher priority, a failed one begins anew; a running one keeps its own and
remembers the new ones as `again_*`. What the daemon died of keeps its later time, or stays failed, unless a person asks."""

INSERT_RUNNING = {
    subject: f"""INSERT INTO tasks (kind, subject, folder_id, state, priority, queued_at, due_at, run_id)
        VALUES (:kind, :subject, {folder_id}, 'running', :priority, :due_at, :due_at, :run_id) RETURNING *"""  # noqa: S608 - constants only
    for subject, folder_id in FOLDER_OF.items()
}
"""Derived work gets its row as it is claimed, so that a crash can be counted."""

START = "UPDATE tasks SET state = 'running' WHERE id = ? RETURNING *"

DELETE = """DELETE FROM tasks
    WHERE id IN (SELECT value FROM json_each(?)) AND state = 'running' AND again_due_at IS NULL"""

QUEUE_AGAIN = """UPDATE tasks SET state = 'queued', due_at = again_due_at, priority = again_priority,
        is_forced = again_is_forced, attempts = 0, crashes = 0, last_error = NULL, failure_kind = NULL,
        failed_at = NULL, again_due_at = NULL, again_priority = NULL, again_is_forced = NULL
    WHERE id IN (SELECT value FROM json_each(?)) AND state = 'running' AND again_due_at IS NOT NULL"""
"""For running tasks that were added again meanwhile."""

GIVE_BACK = """UPDATE tasks SET state = 'queued', attempts = attempts + :attempts,
        due_at = min(coalesce(:due_at, due_at), coalesce(again_due_at, :due_at, due_at)),
        priority = max(priority, coalesce(again_priority, priority)),
        is_forced = is_forced OR coalesce(again_is_forced, 0),
        last_error = coalesce(:error, last_error), failure_kind = coalesce(:kind, failure_kind),
        failed_at = coalesce(:failed_at, failed_at),
        again_due_at = NULL, again_priority = NULL, again_is_forced = NULL
    WHERE state = 'running' AND id IN (SELECT value FROM json_each(:ids))"""
"""Running tasks of `ids` wait again: earlier and more urgent where they were added meanwhile."""

_IS_GIVEN_UP = f"(crashes + 1 >= {CRASHES_UNTIL_FAILED} AND kind NOT IN ({KINDS_READ_APART}))"

RECOVER = f"""UPDATE tasks SET crashes = crashes + 1,
        state = CASE WHEN {_IS_GIVEN_UP} THEN 'failed' ELSE 'queued' END,
        due_at = CASE WHEN crashes < {CRASHES_UNTIL_ALONE} THEN min(due_at, coalesce(again_due_at, due_at))
            ELSE :now + 60.0 * (1 << min(crashes - {CRASHES_UNTIL_ALONE}, {MOST_DOUBLINGS})) END,
        priority = max(priority, coalesce(again_priority, priority)),
        is_forced = is_forced OR coalesce(again_is_forced, 0),
        attempts = attempts + {_IS_GIVEN_UP},
        last_error = CASE WHEN crashes + 1 < {CRASHES_UNTIL_ALONE} THEN last_error
            ELSE 'the daemon died ' || (crashes + 1) || ' times with this in hand' END,
        failure_kind = CASE WHEN {_IS_GIVEN_UP} THEN '{FailureKind.INTERNAL}' ELSE failure_kind END,
        failed_at = CASE WHEN {_IS_GIVEN_UP} THEN :now ELSE failed_at END,
        again_due_at = NULL, again_priority = NULL, again_is_forced = NULL
    WHERE state = 'running'"""  # noqa: S608 - constants only
"""What was running when the daemon died waits again; what it died with alone for 1, 2, 4 and 8 minutes, and then it is given
up. Not so what a suspect has done in a process of its own: that waits for an hour at most, for whoever pulls the plug proves
nothing."""

FAIL = """UPDATE tasks SET state = 'failed', attempts = attempts + 1, last_error = ?, failure_kind = ?, failed_at = ?,
        crashes = ?
    WHERE id = ? AND state = 'running' AND again_due_at IS NULL"""

BRING_BACK = f"""UPDATE tasks SET state = 'queued', attempts = 0, queued_at = :now, due_at = :now,
        crashes = CASE WHEN kind IN ({KINDS_READ_APART}) THEN min(crashes, {CRASHES_UNTIL_ALONE}) ELSE 0 END,
        last_error = NULL, failure_kind = NULL, failed_at = NULL
    WHERE CASE WHEN :ids IS NULL THEN attempts > 0 ELSE id IN (SELECT value FROM json_each(:ids)) END
        AND state IN ('failed', 'queued')"""  # noqa: S608 - constants only
"""As new, but for a suspect that is read apart: that costs it nothing, and spares the daemon two deaths more."""

FAILURES = "SELECT * FROM tasks WHERE attempts > 0 AND state IN ('failed', 'queued') ORDER BY id"

GIVEN_UP = "SELECT count(*) AS count FROM tasks WHERE attempts > 0 AND state = 'failed'"

IS_OWED = "SELECT 1 FROM tasks WHERE kind = ? AND subject = ? AND state != 'failed' LIMIT 1"
