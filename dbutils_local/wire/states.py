"""The two shapes of a state on the wire: the deprecated `state` and the new `status` (jobs reference, 5.1 and 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbutils_local.core.state import Failure, LifeCycle, Result

_STATUS = {
    LifeCycle.QUEUED: "QUEUED",
    LifeCycle.PENDING: "PENDING",
    LifeCycle.BLOCKED: "BLOCKED",
    LifeCycle.RUNNING: "RUNNING",
    LifeCycle.WAITING_FOR_RETRY: "WAITING",
    LifeCycle.TERMINATING: "TERMINATING",
}
# Result -> (code, type) of termination_details; the pairs for TIMEDOUT and CANCELED are as odd as Databricks has them.
_ENDS = {
    Result.SUCCESS: ("SUCCESS", "SUCCESS"),
    Result.SUCCESS_WITH_FAILURES: ("SUCCESS_WITH_FAILURES", "SUCCESS"),
    Result.FAILED: ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
    Result.CANCELED: ("USER_CANCELED", "SUCCESS"),
    Result.TIMEDOUT: ("CANCELED", "CLIENT_ERROR"),
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
    Result.UPSTREAM_FAILED: ("SKIPPED", "CLIENT_ERROR"),
    Result.UPSTREAM_CANCELED: ("SKIPPED", "CLIENT_ERROR"),
    Result.EXCLUDED: ("SKIPPED", "SUCCESS"),
    Result.DISABLED: ("DISABLED", "SUCCESS"),
}
TERMINATION_CODES = frozenset(
    {
        "SUCCESS",
        "SUCCESS_WITH_FAILURES",
        "USER_CANCELED",
        "CANCELED",
        "SKIPPED",
        "DISABLED",
        "INTERNAL_ERROR",
        "DRIVER_ERROR",
        "CLUSTER_ERROR",
        "REPOSITORY_CHECKOUT_FAILED",
        "INVALID_CLUSTER_REQUEST",
        "WORKSPACE_RUN_LIMIT_EXCEEDED",
        "FEATURE_DISABLED",
        "CLUSTER_REQUEST_LIMIT_EXCEEDED",
        "STORAGE_ACCESS_ERROR",
        "RUN_EXECUTION_ERROR",
        "UNAUTHORIZED_ERROR",
        "LIBRARY_INSTALLATION_ERROR",
        "MAX_CONCURRENT_RUNS_EXCEEDED",
        "MAX_SPARK_CONTEXTS_EXCEEDED",
        "RESOURCE_NOT_FOUND",
        "INVALID_RUN_CONFIGURATION",
        "CLOUD_FAILURE",
        "MAX_JOB_QUEUE_SIZE_EXCEEDED",
        "BUDGET_POLICY_LIMIT_EXCEEDED",
        "BREAKING_CHANGE",
    }
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run, a task run or a repair stands, ready to be said in both shapes."""

    phase: LifeCycle
    result: Result | None = None
    message: str = ""
    queue_reason: str = ""
    failure: Failure | None = None

    @classmethod
    def of_words(cls, phase: str, result: str | None, message: str, queue_reason: str = "") -> Standing:
        """From the words of a history row."""
        return cls(LifeCycle(phase), Result(result) if result else None, message, queue_reason)

    @property
    def members(self) -> dict[str, Any]:
        """`state` and `status`."""
        return {"state": self.state, "status": self.status}

    @property
    def state(self) -> dict[str, Any]:
        """The deprecated shape; result_state is absent until final."""
        told: dict[str, Any] = {
            "life_cycle_state": self.phase.value,
            "state_message": self.message,
            "user_cancelled_or_timedout": self.result in (Result.CANCELED, Result.TIMEDOUT),
        }
        if self.result is not None:
            told["result_state"] = self.result.value
        if self.phase is LifeCycle.QUEUED:
            told["queue_reason"] = self.queue_reason
        return told

    @property
    def status(self) -> dict[str, Any]:
        """The new shape: everything final is TERMINATED, with a code."""
        if not self.phase.is_final:
            told: dict[str, Any] = {"state": _STATUS[self.phase]}
            if self.phase is LifeCycle.QUEUED:
                told["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": self.queue_reason}
            return told
        code, kind = self._end()
        return {"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": self.message}}

    def _end(self) -> tuple[str, str]:
        code, kind = _ENDS[self.result] if self.result is not None else ("SKIPPED", "CLIENT_ERROR")
        if self.result is Result.FAILED and self.failure is not None and self.failure.code in TERMINATION_CODES:
            code = self.failure.code
        return code, "INTERNAL_ERROR" if code in ("INTERNAL_ERROR", "DRIVER_ERROR") else kind
