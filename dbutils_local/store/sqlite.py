"""The history in one SQLite file that several processes and threads share."""

from __future__ import annotations

import errno
import heapq
import json
import os
import shutil
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

from dbutils_local.core.events import Event, TaskStarted, TaskStubbed, from_json, to_json
from dbutils_local.core.state import FINAL
from dbutils_local.errors import AlreadyExists, DbutilsLocalError, HomeUnusable, NotFound
from dbutils_local.store import locks as file_locks
from dbutils_local.store.claims import ClaimFolder
from dbutils_local.store.paging import Cursor, page_of
from dbutils_local.store.records import JobRecord, Page, Request, RunFilter, RunSummary

BUSY_TIMEOUT_SECONDS = 30.0

_FINAL_WORDS = ", ".join(f"'{word.value}'" for word in sorted(FINAL))
_COLUMNS = tuple(f.name for f in fields(RunSummary))
_COLUMN_LIST = ", ".join(_COLUMNS)
# What a run is called and where it came from is fixed when it is created; only these move with its events.
_MOVING = ("life_cycle_state", "result_state", "message", "started_at", "ended_at", "updated_at", "repair_count", "seq")

# One entry a schema version, applied in order, each in one transaction; never edit one that was released.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE sequence (next INTEGER NOT NULL)",
        "INSERT INTO sequence VALUES (1)",
        """CREATE TABLE runs (
            run_id INTEGER PRIMARY KEY, job_id INTEGER NOT NULL, name TEXT NOT NULL, run_type TEXT NOT NULL,
            trigger TEXT NOT NULL, life_cycle_state TEXT NOT NULL, result_state TEXT, message TEXT NOT NULL,
            created_at INTEGER NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL, number_in_job INTEGER NOT NULL, parent_task_run_id INTEGER,
            repair_count INTEGER NOT NULL,
            idempotency_token TEXT, seq INTEGER NOT NULL)""",
        "CREATE INDEX runs_by_time ON runs (created_at, run_id)",
        "CREATE INDEX runs_by_job ON runs (job_id, created_at, run_id)",
        "CREATE INDEX runs_by_name ON runs (name, created_at, run_id)",
        "CREATE INDEX runs_by_type ON runs (run_type, created_at, run_id)",
        "CREATE INDEX runs_by_phase ON runs (life_cycle_state, created_at, run_id)",
        "CREATE INDEX runs_by_result ON runs (result_state, created_at, run_id)",
        f"CREATE INDEX runs_active ON runs (created_at, run_id) WHERE life_cycle_state NOT IN ({_FINAL_WORDS})",
        """CREATE TABLE events (
            run_id INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run_id, seq))""",
        """CREATE TABLE task_runs (
            task_run_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, key TEXT NOT NULL, attempt INTEGER NOT NULL)""",
        "CREATE INDEX task_runs_by_key ON task_runs (run_id, key)",
        # Outlives its run: a token whose run was deleted must be refused, not run again (jobs reference, 6.8).
        "CREATE TABLE tokens (token TEXT PRIMARY KEY, run_id INTEGER NOT NULL)",
        """CREATE TABLE jobs (
            job_id INTEGER PRIMARY KEY, folded_name TEXT NOT NULL, created_at INTEGER NOT NULL, body TEXT NOT NULL)""",
        "CREATE INDEX jobs_by_time ON jobs (created_at, job_id)",
        "CREATE INDEX jobs_by_name ON jobs (folded_name, created_at, job_id)",
        """CREATE TABLE mailbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)""",
        "CREATE INDEX mailbox_by_run ON mailbox (run_id, id)",
        "CREATE TABLE seen (scope TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID",
        "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ),
)


class SqliteStore:
    """A RunStore on SQLite (WAL); created with mode 0600, migrated on first use, safe across fork."""

    def __init__(self, path: Path, *, locks: Path) -> None:
        self._path = path
        self._locks = file_locks.LockFolder(locks)
        self._claims = ClaimFolder(locks)
        self._connections = _Connections(path)
        # A store that is forgotten rather than closed leaves no open file behind.
        weakref.finalize(self, self._connections.close)

    def close(self) -> None:
        """Close the connections that no thread is using; the store opens new ones when asked again."""
        self._connections.close()

    # Ids and runs

    def new_ids(self, count: int = 1) -> range:
        with self._write() as db:
            (first,) = db.execute("SELECT next FROM sequence").fetchone()
            db.execute("UPDATE sequence SET next = ?", (first + count,))
        return range(first, first + count)

    def create_run(self, summary: RunSummary, events: Sequence[Event]) -> RunSummary:
        with self._write() as db:
            if summary.idempotency_token is not None:
                known = db.execute("SELECT run_id FROM tokens WHERE token = ?", (summary.idempotency_token,)).fetchone()
                if known:
                    return _summary(db, known[0])
                db.execute("INSERT INTO tokens VALUES (?, ?)", (summary.idempotency_token, summary.run_id))
            if db.execute("SELECT 1 FROM runs WHERE run_id = ?", (summary.run_id,)).fetchone():
                raise AlreadyExists(f"Run {summary.run_id} exists already.")
            created = replace(summary, number_in_job=summary.number_in_job or summary.run_id, seq=len(events))
            marks = ", ".join("?" * len(_COLUMNS))
            db.execute(f"INSERT INTO runs ({_COLUMN_LIST}) VALUES ({marks})", _row(created))
            _insert_events(db, summary.run_id, 0, events)
            return created

    def append(self, run_id: int, events: Sequence[Event], summary: RunSummary) -> None:
        with self._write() as db:
            last = _summary(db, run_id).seq
            _insert_events(db, run_id, last, events)
            moved = replace(summary, seq=last + len(events))
            setting = ", ".join(f"{name} = ?" for name in _MOVING)
            db.execute(
                f"UPDATE runs SET {setting} WHERE run_id = ?", (*(getattr(moved, name) for name in _MOVING), run_id)
            )

    def events(self, run_id: int, after: int = 0) -> list[tuple[int, Event]]:
        with self._read() as db:
            rows = db.execute(
                "SELECT seq, body FROM events WHERE run_id = ? AND seq > ? ORDER BY seq", (run_id, after)
            ).fetchall()
            if not rows:
                _summary(db, run_id)
        return [(seq, from_json(json.loads(body))) for seq, body in rows]

    def summary(self, run_id: int) -> RunSummary:
        with self._read() as db:
            return _summary(db, run_id)

    def run_of_task(self, task_run_id: int) -> tuple[int, str, int] | None:
        with self._read() as db:
            row = db.execute(
                "SELECT run_id, key, attempt FROM task_runs WHERE task_run_id = ?", (task_run_id,)
            ).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def list_runs(self, wanted: RunFilter, limit: int = 20, token: str | None = None) -> Page[RunSummary]:
        cursor = Cursor.read(token)
        order = "ASC" if cursor.backward else "DESC"
        with self._read() as db:
            # A query for each state word: each walks its own index in order and stops early; one with OR cannot.
            answers = [
                db.execute(
                    f"SELECT {_COLUMN_LIST} FROM runs WHERE {condition} "
                    f"ORDER BY created_at {order}, run_id {order} LIMIT ?",
                    (*values, limit + 1),
                ).fetchall()
                for condition, values in _conditions(wanted, cursor)
            ]
        rows = _merged([[RunSummary(*row) for row in answer] for answer in answers], cursor.backward)
        return page_of(list(islice(rows, limit + 1)), limit, cursor, _run_place)

    def active_runs(self, job_id: int | None = None) -> list[RunSummary]:
        condition = f"life_cycle_state NOT IN ({_FINAL_WORDS})" + ("" if job_id is None else " AND job_id = ?")
        with self._read() as db:
            rows = db.execute(
                f"SELECT {_COLUMN_LIST} FROM runs INDEXED BY runs_active WHERE {condition} ORDER BY created_at, run_id",
                () if job_id is None else (job_id,),
            ).fetchall()
        return [RunSummary(*row) for row in rows]

    def delete_run(self, run_id: int) -> None:
        with self._write() as db:
            _summary(db, run_id)
            _forget(db, run_id)

    def prune(self, before_ms: int) -> list[int]:
        """Forget the runs that ended before `before_ms` (epoch ms) and return their ids; artifacts are the caller's."""
        with self._write() as db:
            rows = db.execute(
                "SELECT run_id FROM runs WHERE created_at < ? AND max(ended_at, created_at) < ? "
                f"AND life_cycle_state IN ({_FINAL_WORDS})",
                (before_ms, before_ms),
            ).fetchall()
            for (run_id,) in rows:
                _forget(db, run_id)
                db.execute("DELETE FROM tokens WHERE run_id = ?", (run_id,))
        return [run_id for (run_id,) in rows]

    # Jobs

    def save_job(self, job: JobRecord) -> None:
        body = json.dumps(asdict(job), default=str)
        with self._write() as db:
            db.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?)",
                (job.job_id, job.name.casefold(), job.created_at, body),
            )

    def job(self, job_id: int) -> JobRecord:
        with self._read() as db:
            row = db.execute("SELECT body FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
        if row is None:
            raise NotFound(f"Job {job_id} does not exist.")
        return JobRecord(**json.loads(row[0]))

    def list_jobs(self, name: str | None = None, limit: int = 20, token: str | None = None) -> Page[JobRecord]:
        cursor = Cursor.read(token)
        condition, values = cursor.condition("job_id")
        if name is not None:
            condition, values = f"{condition} AND folded_name = ?", (*values, name.casefold())
        order = "ASC" if cursor.backward else "DESC"
        with self._read() as db:
            rows = db.execute(
                f"SELECT body FROM jobs WHERE {condition} ORDER BY created_at {order}, job_id {order} LIMIT ?",
                (*values, limit + 1),
            ).fetchall()
        return page_of([JobRecord(**json.loads(body)) for (body,) in rows], limit, cursor, _job_place)

    def delete_job(self, job_id: int) -> None:
        with self._write() as db:
            if db.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,)).rowcount == 0:
                raise NotFound(f"Job {job_id} does not exist.")

    # Mailbox, locks, small memories

    def post(self, request: Request) -> None:
        with self._write() as db:
            _summary(db, request.run_id)
            body = json.dumps(dict(request.body), default=str)
            db.execute(
                "INSERT INTO mailbox (run_id, kind, body) VALUES (?, ?, ?)", (request.run_id, request.kind, body)
            )

    def take(self, run_id: int) -> list[Request]:
        with self._read() as db:
            # Drivers look often and mostly find nothing: a look must not queue for the write lock.
            if db.execute("SELECT 1 FROM mailbox WHERE run_id = ?", (run_id,)).fetchone() is None:
                return []
        with self._write() as db:
            rows = db.execute("SELECT kind, body FROM mailbox WHERE run_id = ? ORDER BY id", (run_id,)).fetchall()
            db.execute("DELETE FROM mailbox WHERE run_id = ?", (run_id,))
        return [Request(run_id, kind, json.loads(body)) for kind, body in rows]

    def lock(self, run_id: int) -> AbstractContextManager[bool]:
        return self._hold(str(run_id))

    @contextmanager
    def _hold(self, name: str) -> Iterator[bool]:
        with self._locks.hold(name) as mine:
            try:
                if mine:
                    self._claims.drop(name)
                yield mine
            finally:
                if mine:
                    self._claims.drop(name)

    def is_driven(self, run_id: int) -> bool:
        return self._locks.is_held(str(run_id))

    def claim(self, run_id: int, pid: int | None) -> None:
        if pid is None:
            self._claims.drop(str(run_id))
        else:
            self._claims.put(str(run_id), pid)

    def is_claimed(self, run_id: int) -> bool | None:
        return self._claims.stands(str(run_id))

    def remember(self, scope: str, keys: Iterable[str]) -> list[str]:
        with self._write() as db:
            return [
                key
                for key in keys
                if db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (scope, key)).rowcount == 1
            ]

    def note(self, name: str, value: Any = None) -> Any:
        if value is not None:
            with self._write() as db:
                db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, json.dumps(value)))
            return value
        with self._read() as db:
            row = db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with _translated(self._path), self._connections.borrow() as db:
            yield db

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start, so that what it reads cannot change under it."""
        with _translated(self._path), self._connections.borrow() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise


class _Connections:
    """Idle connections; each is used by one thread at a time, and none by a process that did not open it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._idle: list[sqlite3.Connection] = []
        self._inherited: list[sqlite3.Connection] = []
        self._migrated = False

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        connection = self._take() or self._open()
        sound = False
        try:
            yield connection
            sound = True
        except DbutilsLocalError:
            sound = True  # an answer of ours, rolled back already
            raise
        finally:
            if sound:
                with self._mutex:
                    self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        self._leave_to_parent()
        with self._mutex:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection | None:
        self._leave_to_parent()
        with self._mutex:
            return self._idle.pop() if self._idle else None

    def _leave_to_parent(self) -> None:
        if self._pid == os.getpid():
            return
        # After a fork the file handles belong to the parent: using or even closing them here could break its locks.
        self._mutex = threading.Lock()
        self._inherited.extend(self._idle)
        self._idle = []
        self._pid = os.getpid()

    def _open(self) -> sqlite3.Connection:
        with self._mutex:
            _create_private(self._path)
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute("PRAGMA synchronous = NORMAL")
            if not self._migrated:
                migrate(connection, self._path)
                self._migrated = True
        except BaseException:
            connection.close()
            raise
        return connection


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest schema; HomeUnusable for one that a newer dbutils-local wrote."""
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise HomeUnusable(
                f"{path} has schema {version}, this dbutils-local knows up to {len(MIGRATIONS)}: "
                "upgrade dbutils-local, or set DBUTILS_LOCAL_HOME to another folder"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _create_private(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never a second handle of a file that is there: closing it takes this process's locks on it away (POSIX), and
        # others, who then think that nobody uses the file, remove the log that our connections go on writing to.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise HomeUnusable(_unwritable(path, os.strerror(errno.EACCES))) from None
    except OSError as error:
        raise HomeUnusable(_unwritable(path, error.strerror)) from error


def _unwritable(path: Path, why: str | None) -> str:
    return f"cannot write the history {path}: {why}; set DBUTILS_LOCAL_HOME to a folder you can write"


def _patiently(action: Callable[[], object]) -> None:
    """SQLite does not wait for the lock that changing the journal mode needs, so wait here."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


# A disk with less left than this (bytes) takes no history.
FULL = 64 * 1024


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise HomeUnusable(_sentence(path, str(error))) from error


def _sentence(path: Path, said: str) -> str:
    advice = "set DBUTILS_LOCAL_HOME to a folder you can write"
    # SQLite calls a full disk an I/O error where the index of its log no longer fits.
    if "full" in said or ("I/O error" in said and shutil.disk_usage(path.parent).free < FULL):
        return f"the disk that holds {path} is full: free some space, or set DBUTILS_LOCAL_HOME to another disk"
    if "readonly" in said or "unable to open" in said:
        return f"the history {path} cannot be written (read-only, or another owner): {advice}"
    if "locked" in said:
        return f"another process has held the history {path} for {BUSY_TIMEOUT_SECONDS:.0f} seconds: stop that process"
    if "not a database" in said or "malformed" in said:
        return f"{path} is damaged or no history of dbutils-local ({said}): move it away, or {advice}"
    return f"the history {path} cannot be used ({said}): {advice}"


def _row(summary: RunSummary) -> tuple[Any, ...]:
    return tuple(getattr(summary, name) for name in _COLUMNS)


def _summary(db: sqlite3.Connection, run_id: int) -> RunSummary:
    row = db.execute(f"SELECT {_COLUMN_LIST} FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise NotFound(f"Run {run_id} does not exist.")
    return RunSummary(*row)


def _insert_events(db: sqlite3.Connection, run_id: int, last: int, events: Sequence[Event]) -> None:
    rows = [(run_id, seq, json.dumps(to_json(event), default=str)) for seq, event in enumerate(events, last + 1)]
    db.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
    for event in events:
        if isinstance(event, TaskStarted | TaskStubbed):
            db.execute(
                "INSERT INTO task_runs SELECT ?, ?, ?, count(*) FROM task_runs WHERE run_id = ? AND key = ?",
                (event.task_run_id, run_id, event.key, run_id, event.key),
            )


def _forget(db: sqlite3.Connection, run_id: int) -> None:
    for table in ("events", "task_runs", "mailbox", "runs"):
        db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))


def _conditions(wanted: RunFilter, cursor: Cursor) -> list[tuple[str, tuple[Any, ...]]]:
    """WHERE clauses with their values: one, or with `states` one for each way a run can have one of them."""
    clause, values = cursor.condition("run_id")
    clauses = [clause]
    arguments = list(values)
    asked: Mapping[str, Any] = {
        "job_id = ?": wanted.job_id,
        "name = ?": wanted.name,
        "run_type = ?": wanted.run_type,
        "created_at >= ?": wanted.since,
        "created_at <= ?": wanted.until,
    }
    for text, value in asked.items():
        if value is not None:
            clauses.append(text)
            arguments.append(value)
    if wanted.active is not None:
        clauses.append(f"life_cycle_state {'NOT IN' if wanted.active else 'IN'} ({_FINAL_WORDS})")
    if not wanted.states:
        return [(" AND ".join(clauses), tuple(arguments))]
    return [
        (" AND ".join([*clauses, f"{column} = ?"]), (*arguments, word))
        for column in ("life_cycle_state", "result_state")
        for word in dict.fromkeys(wanted.states)
    ]


def _merged(answers: Sequence[Sequence[RunSummary]], ascending: bool) -> Iterator[RunSummary]:
    """Sorted answers as one, a run that is in two of them once."""
    last: int | None = None
    for summary in heapq.merge(*answers, key=_run_place, reverse=not ascending):
        if summary.run_id != last:
            yield summary
        last = summary.run_id


def _run_place(summary: RunSummary) -> tuple[int, int]:
    return summary.created_at, summary.run_id


def _job_place(job: JobRecord) -> tuple[int, int]:
    return job.created_at, job.job_id
