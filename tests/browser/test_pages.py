"""The run pages in headless Chromium: what people see and press; screenshots are kept under artifacts/."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.server.conftest import Served, start
from tests.server.test_doors import ask

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
]

SHOTS = Path(__file__).parents[2] / "artifacts"
REPORT = """# Databricks notebook source
dbutils.widgets.text("day", "none")
print("making a report for", dbutils.widgets.get("day"))

# COMMAND ----------
from IPython.display import HTML, display
display(HTML("<b id='inside'>bold result</b><script>document.title = 'taken over'</script>"))

# COMMAND ----------
dbutils.notebook.exit("ready")
"""
LOUD = "import time\nfor i in range(40):\n    print('tick', i, flush=True)\n    time.sleep(0.25)\n"
FLAKY = "import pathlib\nif not pathlib.Path('fixed').exists():\n    raise SystemExit('not fixed yet')\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a job of every kind of ending."""
    folder = tmp_path_factory.mktemp("pages")
    running = start(folder / "home", folder / "workspace")
    for name, text in (("report.py", REPORT), ("loud.py", LOUD), ("flaky.py", FLAKY), ("quick.py", "print('quick')\n")):
        (running.workspace / name).write_text(text)
    yield running
    running.end()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A logged-in page; whatever it asks of another server, or fails at, is told at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("request", lambda asked: None if asked.url.startswith(served.url) else faults.append(asked.url))
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(f"{served.url}/dbutils-local/?token={served.token}")
    yield opened
    context.close()
    assert faults == []


def script(key: str, file: str, *after: str) -> dict[str, Any]:
    needs = [{"task_key": name} for name in after]
    return {"task_key": key, "spark_python_task": {"python_file": file, "parameters": []}, "depends_on": needs}


def job(served: Served, name: str, *tasks: dict[str, Any], **more: Any) -> int:
    answer = ask(served, "POST", "/api/2.2/jobs/create", {"name": name, "tasks": list(tasks), **more})
    assert answer.status == 200, answer.body
    return int(answer.json["job_id"])


def until(reached: Callable[[], bool]) -> None:
    """Wait for something that is about to be seen."""
    for _ in range(300):
        if reached():
            return
        time.sleep(0.2)
    raise AssertionError("it was not seen within a minute")


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=str(SHOTS / f"pages-{name}.png"), full_page=True)


def test_the_token_leaves_the_address_bar(page: Page, served: Served) -> None:
    expect(page.locator("h1")).to_have_text("Runs")
    assert "token" not in page.url


def test_a_stranger_sees_the_login(browser: Browser, served: Served) -> None:
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(f"{served.url}/dbutils-local/jobs")
    assert "/login" in opened.url
    context.close()


def test_a_job_is_started_with_a_parameter_and_watched_to_its_end(page: Page, served: Served) -> None:
    report = {"task_key": "report", "notebook_task": {"notebook_path": "report"}, "depends_on": [{"task_key": "first"}]}
    job_id = job(
        served, "with a report", script("first", "quick.py"), report, parameters=[{"name": "day", "default": "monday"}]
    )
    page.goto(f"{served.url}/dbutils-local/jobs")
    page.get_by_role("link", name="with a report").click()
    page.locator("summary", has_text="Run now").click()
    page.get_by_label("day", exact=True).fill("friday")
    page.locator("details button").click()
    expect(page.locator("h1 .state")).to_have_text("Succeeded", timeout=60_000)
    assert re.search(r"/runs/\d+$", page.url)
    expect(page.locator("svg [data-task=report]")).to_have_attribute("data-state", "SUCCESS")
    expect(page.locator("td code", has_text="friday").first).to_be_visible()
    shot(page, "run")
    page.locator("table a", has_text="report").first.click()
    expect(page.locator("h1 .state")).to_have_text("Succeeded")
    # Nothing runs in the frame, not even for the driver of this test: its page looks into it.
    frame_text = "frame => frame.contentDocument.body ? frame.contentDocument.body.innerText : ''"
    until(lambda: "\nbold result\n" in page.locator("iframe").evaluate(frame_text))
    assert "making a report for friday" in page.locator("iframe").evaluate(frame_text)
    assert page.title() != "taken over"
    frame = page.locator("iframe").bounding_box()
    assert frame is not None
    assert frame["height"] > 100
    shot(page, "task")
    page.goto(f"{served.url}/dbutils-local/jobs/{job_id}")
    expect(page.locator(".matrix .cell")).to_have_count(3)
    shot(page, "job")


def test_logs_grow_while_a_task_runs_and_cancel_ends_it(page: Page, served: Served) -> None:
    job(served, "loud", script("loud", "loud.py"), script("after", "quick.py", "loud"))
    page.goto(f"{served.url}/dbutils-local/jobs")
    page.locator("tr", has_text="loud").get_by_role("button", name="Run now").click()
    expect(page.locator("svg [data-task=loud]")).to_have_attribute("data-state", "RUNNING", timeout=60_000)
    run_page = page.url
    page.locator("table a", has_text="loud").first.click()
    expect(page.locator("#logs")).to_contain_text("tick 1", timeout=30_000)
    expect(page.locator("#logs")).to_contain_text("tick 6", timeout=30_000)
    shot(page, "logs-live")
    page.goto(run_page)
    page.get_by_role("button", name="Cancel run").click()
    expect(page.locator("h1 .state")).to_have_text("Canceled", timeout=60_000)
    expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)


def test_a_failed_run_is_repaired_from_its_page(page: Page, served: Served) -> None:
    job(
        served,
        "to repair",
        script("good", "quick.py"),
        script("flaky", "flaky.py", "good"),
        script("last", "quick.py", "flaky"),
    )
    page.goto(f"{served.url}/dbutils-local/jobs")
    page.locator("tr", has_text="to repair").get_by_role("button", name="Run now").click()
    expect(page.locator("h1 .state")).to_have_text("Failed", timeout=60_000)
    expect(page.locator("svg [data-task=last]")).to_have_attribute("data-state", "UPSTREAM_FAILED")
    shot(page, "run-failed")
    (served.workspace / "fixed").touch()
    page.locator("summary", has_text="Repair run").click()
    expect(page.locator("input[name=task]:checked")).to_have_count(2)
    page.locator("details[open] button").click()
    expect(page.locator("h1 .state")).to_have_text("Succeeded", timeout=60_000)
    expect(page.locator("main")).to_contain_text("repaired 1×")
    page.locator("table a", has_text="flaky").first.click()
    expect(page.locator("td", has_text="repair 1")).to_be_visible()


def test_the_list_is_narrowed_by_job_state_and_date(page: Page, served: Served) -> None:
    job(served, "narrow", script("a", "quick.py"))
    page.goto(f"{served.url}/dbutils-local/jobs")
    page.locator("tr", has_text="narrow").get_by_role("button", name="Run now").click()
    expect(page.locator("h1 .state")).to_have_text("Succeeded", timeout=60_000)
    page.goto(f"{served.url}/dbutils-local/")
    page.get_by_label("Job name or id").fill("narrow")
    page.get_by_label("State").select_option("SUCCESS")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("To").fill("2020-01-01")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".empty")).to_be_visible()
    shot(page, "filtered")


def test_addresses_that_clients_print_lead_to_the_run(page: Page, served: Served) -> None:
    run_id = ask(
        served, "POST", "/api/2.2/jobs/runs/submit", {"run_name": "r", "tasks": [script("a", "quick.py")]}
    ).json["run_id"]
    told = ask(served, "GET", f"/api/2.2/jobs/runs/get?run_id={run_id}").json
    page.goto(told["run_page_url"])
    page.wait_for_url(f"**/dbutils-local/runs/{run_id}")


def test_what_is_not_there_is_told_in_a_sentence(page: Page, served: Served) -> None:
    page.goto(f"{served.url}/dbutils-local/runs/424242")
    expect(page.locator("pre.error")).to_have_text("Run 424242 does not exist.")


def test_pages_follow_a_dark_desktop(browser: Browser, served: Served) -> None:
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    opened.goto(f"{served.url}/dbutils-local/?token={served.token}")
    shown = opened.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    colour = [int(part) for part in re.findall(r"\d+", shown)[:3]]
    assert sum(colour) < 150
    shot(opened, "runs-dark")
    context.close()
