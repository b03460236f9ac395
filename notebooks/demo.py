"""`make demo`: the example job, headless, in a home of its own; prints the summary and where its report is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HOME = HERE.parent / "artifacts" / "demo"


def main() -> int:
    """Run the job and write its report; the exit code is the job's."""
    environ = {**os.environ, "DBUTILS_LOCAL_HOME": str(HOME)}
    command = [sys.executable, "-m", "dbutils_local"]
    job = subprocess.run([*command, "run", str(HERE / "weather_job.yml")], env=environ, check=False)
    if job.returncode == 2:
        return 2
    report = HOME / "report.html"
    listed = subprocess.run([*command, "runs", "list", "--limit", "1", "-o", "json"], env=environ, check=True, capture_output=True)
    run_id = json.loads(listed.stdout)["runs"][0]["run_id"]
    subprocess.run([*command, "runs", "export", str(run_id), str(report)], env=environ, check=True, stdout=subprocess.DEVNULL)
    print(f"\nReport: {report}")
    return job.returncode


if __name__ == "__main__":
    raise SystemExit(main())
