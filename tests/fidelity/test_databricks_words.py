"""The words of runs: our states, results, codes and triggers against the SDK's enums, both ways.

What is written in a spec is compared in tests/spec/test_fidelity.py.
"""

from __future__ import annotations

import enum
import re
from pathlib import Path

import pytest
from databricks.sdk.service import jobs

import dbutils_local
from dbutils_local.core.state import CANCELING, FAILING, FINAL, NEVER_RUN, LifeCycle, Result
from dbutils_local.spec.tasks import ConditionOp, RunIf
from dbutils_local.wire.states import TERMINATION_CODES, Standing

SOURCES = [path.read_text("utf-8") for path in Path(str(dbutils_local.__file__)).parent.rglob("*.py")]


def words(kind: type[enum.Enum]) -> set[str]:
    return {str(member.value) for member in kind}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (LifeCycle, jobs.RunLifeCycleState),
        (Result, jobs.RunResultState),
        (RunIf, jobs.RunIf),
        (ConditionOp, jobs.ConditionTaskOp),
    ],
)
def test_closed_sets_hold_exactly_databricks_words(ours: type[enum.Enum], theirs: type[enum.Enum]) -> None:
    assert words(ours) == words(theirs)


def test_termination_codes_are_databricks_codes() -> None:
    assert words(jobs.TerminationCodeCode) == TERMINATION_CODES


@pytest.mark.parametrize("phase", LifeCycle)
def test_every_phase_has_a_status_that_the_client_knows(phase: LifeCycle) -> None:
    result = Result.SUCCESS if phase.is_final else None
    status = jobs.RunStatus.from_dict(Standing(phase, result).status)
    assert status.state is not None
    assert (status.termination_details is not None) == phase.is_final


@pytest.mark.parametrize("result", Result)
def test_every_result_has_a_code_and_type_that_the_client_knows(result: Result) -> None:
    details = jobs.RunStatus.from_dict(Standing(LifeCycle.TERMINATED, result).status).termination_details
    assert details is not None
    assert details.code is not None
    assert details.type is not None


def test_every_status_word_of_databricks_is_one_we_say() -> None:
    said = {Standing(phase, Result.SUCCESS if phase.is_final else None).status["state"] for phase in LifeCycle}
    assert said == words(jobs.RunLifecycleStateV2State)


def test_final_is_what_the_official_client_stops_waiting_for() -> None:
    # WorkspaceClient.jobs.wait_get_run_job_terminated_or_skipped
    assert (
        words(jobs.RunLifeCycleState) >= {str(phase) for phase in FINAL} == {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}
    )


def test_groups_of_results_do_not_overlap_where_they_must_not() -> None:
    assert CANCELING < FAILING
    assert not FAILING & {result for result in Result if result.is_success}
    assert set(Result) >= NEVER_RUN


@pytest.mark.parametrize(("name", "theirs"), [("trigger", jobs.TriggerType), ("run_type", jobs.RunType)])
def test_triggers_and_run_types_are_databricks_words(name: str, theirs: type[enum.Enum]) -> None:
    said = {word for text in SOURCES for word in re.findall(rf'\b{name}(?:: str)? ?= ?"([A-Z_]+)"', text)}
    assert said
    assert said <= words(theirs)


def test_failure_codes_we_give_are_databricks_codes() -> None:
    said = {word for text in SOURCES for word in re.findall(r'\bcode(?:: str)? ?= ?"([A-Z_]+)"', text)}
    assert said
    assert said <= TERMINATION_CODES
