"""`dbutils` and its company in one IPython shell: what the magics, endings and displays of a kernel share."""

from __future__ import annotations

import sys
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.children import guard_interrupts
from dbutils_local.dbutils.handle import current, current_session
from dbutils_local.kernels.environment import VARIABLE
from jupyter_ext import LABEXTENSION
from jupyter_ext.kernel.outputs import Curtain

if TYPE_CHECKING:
    from pathlib import Path

    from dbutils_local.dbutils.session import Session
    from dbutils_local.result import RunResult
    from dbutils_local.settings import Settings
    from dbutils_local.sql.engine import Engine
    from jupyter_ext.kernel.bar import Bar
    from jupyter_ext.kernel.panel import Panel


class Face:
    """`dbutils` and its company in one IPython shell."""

    def __init__(self, ip: Any) -> None:
        self.ip = ip
        self.curtain = Curtain(ip, lambda: current_session().redactor)
        self.including: list[Path] = []  # files on their way in by %run, the innermost last
        self.is_reading = False  # a cell that comes in by %run is being transformed
        self.panel: Panel | None = None
        self.bar: Bar | None = None
        self.undo = ExitStack()  # whoever changes the shell puts the way back here
        self._bound: dict[str, Any] = {}
        self._session: Session | None = None
        self._shown: list[RunResult] = []
        self._engines: dict[str, Engine] = {}

    @property
    def session(self) -> Session:
        """The session behind this process's `dbutils`."""
        return current_session()

    @property
    def is_interactive(self) -> bool:
        """Whether a person works here: nobody of ours started this process."""
        return VARIABLE not in self.session.environ

    def listen(self) -> None:
        """Hear of every cell's start and end until unload."""
        for event, callback in (("pre_run_cell", self._before_cell), ("post_run_cell", self._after_cell)):
            self.ip.events.register(event, callback)
            self.undo.callback(self.ip.events.unregister, event, callback)

    def bind(self) -> None:
        """Point names, imports and paths at this process's `dbutils`; again after it was renewed."""
        session = self.session
        if session is self._session and all(name in self.ip.user_ns for name in self._bound):
            return
        self._session = session
        self._bind_names()
        self._bind_imports()
        self._bind_paths()
        self._bind_panel()

    def _bind_names(self) -> None:
        from jupyter_ext.kernel.display import display, displayHTML

        dbutils = current()
        names = {
            "dbutils": dbutils,
            "display": display,
            "displayHTML": displayHTML,
            "getArgument": dbutils.widgets.getArgument,
        }
        # Not interactive: %who lists what the user made.
        self.ip.push(names, interactive=False)
        self._bound = names
        from dbutils_local import spark

        spark.install(self.ip.user_ns, self.session.settings)
        self.ip.user_ns_hidden.update(self._lazy_names())

    def _bind_imports(self) -> None:
        from dbutils_local.dbutils import mounts, shims

        birth = self.session.birth
        shims.install(self.ip.user_ns)
        mounts.install(birth.home, birth.workspace_root)

    def _bind_paths(self) -> None:
        # As on Databricks: the notebook's folder and the top of its repository can be imported from (reference 3).
        birth = self.session.birth
        folders = [birth.notebook_file.parent] if birth.notebook_file else []
        for folder in map(str, (*folders, birth.workspace_root)):
            if folder not in sys.path:
                sys.path.append(folder)

    def _bind_panel(self) -> None:
        if self.panel is not None:
            self.panel.close()
            self.panel = None
        if not self.is_interactive or getattr(self.ip, "kernel", None) is None:
            return
        from jupyter_ext.kernel.bar import Bar, OnChange
        from jupyter_ext.kernel.panel import Panel

        if self.bar is None:
            self.bar = Bar(
                OnChange.of(self.session.settings.on_widget_change), expected=LABEXTENSION in self.session.environ
            )
            self.bar.open()
            self._enter_cell(self.bar)  # the one that loads us
            self.undo.callback(self.bar.close)
        self.panel = Panel(self.session.widgets, self.bar, order=self.session.settings.widget_order)

    def _enter_cell(self, bar: Bar) -> None:
        asked = self.ip.get_parent() or {}
        bar.enter_cell(asked.get("metadata", {}).get("cellId"), asked.get("header", {}).get("msg_id"))

    def remove(self) -> None:
        """Undo `bind` and all that was put onto `undo`."""
        from dbutils_local.dbutils import mounts, shims
        from dbutils_local.spark import doors

        doors.remove()
        mounts.uninstall()
        shims.uninstall()
        if self.panel is not None:
            self.panel.close()
        for name, value in (self._bound | self._lazy_names()).items():
            if self.ip.user_ns.get(name) is value:
                self.ip.drop_by_id({name: value})
        for engine in self._engines.values():
            engine.close()
        self.undo.close()

    def _lazy_names(self) -> dict[str, Any]:
        """What stands for Spark and was never touched."""
        from dbutils_local.spark import Lazy

        return {name: value for name, value in self.ip.user_ns.items() if isinstance(value, Lazy)}

    def engine(self) -> Engine:
        """What runs `%sql` now: Spark where it is or will be in use, else the embedded one; both keep their views."""
        from dbutils_local import spark
        from dbutils_local.sql.engine import engine_for

        settings = self.session.settings
        if self._spark_is_to_come(settings):
            settings = replace(settings, sql_engine="spark")
        running = spark.active()
        name = "spark" if running is not None or settings.sql_engine == "spark" else "duckdb"
        if name not in self._engines:
            self._engines[name] = engine_for(settings, running, lambda: spark.session(settings))
        return self._engines[name]

    def _spark_is_to_come(self, settings: Settings) -> bool:
        """Whether another cell of this notebook uses Spark, which would not see the embedded engine's tables."""
        from dbutils_local.sql.choice import environment_for

        birth = self.session.birth
        if self._engines or birth.notebook_file is None:
            return "spark" in self._engines
        return bool(environment_for(settings, [birth.notebook_file], birth.workspace_root))

    def was_shown(self, result: RunResult) -> None:
        """This value's live picture stands in the cell already: as the cell's last expression it is not shown again."""
        if getattr(self.ip, "kernel", None) is None:
            return
        formatter = self.ip.display_formatter.ipython_display_formatter
        formatter.for_type(type(result), self._show_unless_shown)
        self._shown.append(result)

    def _show_unless_shown(self, result: RunResult) -> None:
        if not any(result is shown for shown in self._shown):
            # IPython then shows it its usual way.
            raise NotImplementedError

    def _before_cell(self, info: Any) -> None:
        self._shown.clear()
        # The kernel sets its own SIGINT handler for each cell, just before this.
        guard_interrupts(current().notebook.children)
        self.curtain.budget.refill()
        if self.bar is not None:
            self._enter_cell(self.bar)
        if self.panel is not None:
            self.panel.find_home()
        self.prepare(info.raw_cell or "")

    def prepare(self, source: str) -> None:
        """Make ready what code that is about to run names: the real Spark session in place of its stand-in."""
        from dbutils_local import spark

        # What fails here fails again at the line that touches it, where the user sees it.
        with suppress(Exception):
            spark.prepare(self.ip.user_ns, source)

    def _after_cell(self, result: Any) -> None:
        error = result.error_in_exec or result.error_before_exec
        if warning := self.session.exits.settle(error):
            self.session.notice(warning)
        self.curtain.settle()
