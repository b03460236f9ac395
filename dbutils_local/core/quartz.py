"""Quartz cron expressions: read, and asked for their next fire time (jobs reference, 7.1)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dbutils_local.errors import UserError

FIRST_YEAR, LAST_YEAR = 1970, 2199

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its name, its bounds and the words that stand for numbers (the first for `low`)."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """The number that a digit or a word stands for."""
        if text in self.words:
            return self.words.index(text) + self.low
        if not text.isascii() or not text.isdigit():
            raise UserError(f"{text!r} is no {self.name}")
        value = int(text)
        if not self.low <= value <= self.high:
            raise UserError(f"the {self.name} {value} is not between {self.low} and {self.high}")
        return value

    def numbers(self, text: str) -> frozenset[int]:
        """What a comma-separated list of values, ranges and steps stands for."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> Iterator[int]:
        span, slash, step_text = part.partition("/")
        step = self._step(step_text) if slash else 1
        if span in ("*", "") and (span or slash):
            yield from range(self.low, self.high + 1, step)
            return
        first_text, dash, last_text = span.partition("-")
        first = self.number(first_text)
        last = self.number(last_text) if dash else (self.high if slash else first)
        size = self.high - self.low + 1
        if last < first:
            if self.name == "year":
                raise UserError(f"the range of years {span} runs backwards")
            last += size
        # A range that wraps goes on counting at the lower bound, steps included.
        for value in range(first, last + 1, step):
            yield value if value <= self.high else value - size

    def _step(self, text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= self.high:
            raise UserError(f"the step {text!r} of the {self.name} is not between 1 and {self.high}")
        return int(text)


_SECOND = _Field("second", 0, 59)
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, tuple(_MONTHS))
_WEEKDAY = _Field("day of the week", 1, 7, tuple(_DAYS))
_YEAR = _Field("year", FIRST_YEAR, LAST_YEAR)

_FROM_THE_END = re.compile(r"L(?:-(?P<offset>\d+))?(?P<weekday>W)?")
_NEAREST = re.compile(r"(?P<day>\d+)W")
_LAST_WEEKDAY = re.compile(r"(?P<day>[1-7]|[A-Z]{3})L")
_NTH_WEEKDAY = re.compile(r"(?P<day>[1-7]|[A-Z]{3})#(?P<nth>.*)")


# Which days of a month: one small class a form, each asked for (year, month).


@dataclass(frozen=True, slots=True)
class _Dates:
    days: frozenset[int]

    def of(self, year: int, month: int) -> set[int]:
        return {day for day in self.days if day <= _length(year, month)}


@dataclass(frozen=True, slots=True)
class _FromTheEnd:
    """`L`, `L-3`, `LW`, `L-3W`."""

    offset: int
    weekday: bool

    def of(self, year: int, month: int) -> set[int]:
        day = _length(year, month) - self.offset
        if day < 1:
            return set()
        return {_nearest_weekday(year, month, day) if self.weekday else day}


@dataclass(frozen=True, slots=True)
class _Nearest:
    """`15W`. A month without that day has none: Quartz takes the 30th for some of them, which we take for a fault."""

    day: int

    def of(self, year: int, month: int) -> set[int]:
        return {_nearest_weekday(year, month, self.day)} if self.day <= _length(year, month) else set()


@dataclass(frozen=True, slots=True)
class _Weekdays:
    """Days of the week, 1 = Sunday."""

    weekdays: frozenset[int]

    def of(self, year: int, month: int) -> set[int]:
        return {day for day in range(1, _length(year, month) + 1) if _weekday(year, month, day) in self.weekdays}


@dataclass(frozen=True, slots=True)
class _NthWeekday:
    """`6#3` the third Friday, `6L` the last one (nth = -1)."""

    weekday: int
    nth: int

    def of(self, year: int, month: int) -> set[int]:
        days = sorted(_Weekdays(frozenset({self.weekday})).of(year, month))
        index = self.nth - 1 if self.nth > 0 else self.nth
        return {days[index]} if index < len(days) else set()


_Days = _Dates | _FromTheEnd | _Nearest | _Weekdays | _NthWeekday


@dataclass(frozen=True, slots=True)
class Cron:
    """A Quartz expression in a time zone; `Cron.parse` reads one."""

    expression: str
    zone: ZoneInfo
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: _Days
    months: frozenset[int]
    years: frozenset[int]

    @classmethod
    def parse(cls, expression: str, timezone_id: str) -> Cron:
        """Read an expression of six or seven fields; UserError says which part is wrong."""
        try:
            return cls._parse(expression, timezone_id)
        except UserError as error:
            raise UserError(f"quartz_cron_expression {expression!r}: {error}") from None

    @classmethod
    def _parse(cls, expression: str, timezone_id: str) -> Cron:
        fields = expression.upper().split()
        if len(fields) not in (6, 7):
            names = "seconds minutes hours day-of-month month day-of-week [year]"
            raise UserError(f"has {len(fields)} fields; Quartz has six or seven: {names}")
        second, minute, hour, day, month, weekday = fields[:6]
        return cls(
            expression,
            _zone(timezone_id),
            tuple(sorted(_SECOND.numbers(second))),
            tuple(sorted(_MINUTE.numbers(minute))),
            tuple(sorted(_HOUR.numbers(hour))),
            _days(day, weekday),
            _MONTH.numbers(month),
            _YEAR.numbers(fields[6]) if len(fields) == 7 else frozenset(range(FIRST_YEAR, LAST_YEAR + 1)),
        )

    def next_after(self, at: int) -> int | None:
        """The first fire time after `at`, both in epoch ms; None if there is none any more.

        As in Quartz, a time that a clock change leaves out is skipped, and of one that it repeats the second counts.
        """
        after = datetime.fromtimestamp(at / 1000, UTC)
        for day in self._dates(after.astimezone(self.zone).date()):
            for moment in self._times(day, after):
                return round(moment.timestamp()) * 1000
        return None

    def _dates(self, first: date) -> Iterator[date]:
        for year in sorted(year for year in self.years if year >= first.year):
            for month in sorted(self.months):
                if (year, month) < (first.year, first.month):
                    continue
                for day in sorted(self.days.of(year, month)):
                    if date(year, month, day) >= first:
                        yield date(year, month, day)

    def _times(self, day: date, after: datetime) -> Iterator[datetime]:
        for hour in self.hours:
            if self._is_over(datetime(day.year, day.month, day.day, hour, 59, 59), after):
                continue
            for minute in self.minutes:
                if self._is_over(datetime(day.year, day.month, day.day, hour, minute, 59), after):
                    continue
                for second in self.seconds:
                    moment = self._moment(datetime(day.year, day.month, day.day, hour, minute, second))
                    if moment is not None and moment > after:
                        yield moment

    def _is_over(self, wall: datetime, after: datetime) -> bool:
        """Whether everything up to this wall clock time is past, whichever way a clock change reads it."""
        return all(wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) <= after for fold in (0, 1))

    def _moment(self, wall: datetime) -> datetime | None:
        """The instant a wall clock shows this, the later of two; None if it never does."""
        moment = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        return moment if moment.astimezone(self.zone).replace(tzinfo=None) == wall else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(f"{name!r} is no time zone; it is named as in 'Europe/Paris'") from None


def _days(day: str, weekday: str) -> _Days:
    if (day == "?") == (weekday == "?"):
        found = "neither" if day != "?" else "both"
        raise UserError(f"exactly one of day of the month and day of the week must be '?', found {found}")
    return _days_of_month(day) if weekday == "?" else _days_of_week(weekday)


def _days_of_month(text: str) -> _Days:
    from_the_end = _FROM_THE_END.fullmatch(text)
    if from_the_end:
        offset = int(from_the_end["offset"] or 0)
        if offset > 30:
            raise UserError(f"{text}: the offset from the last day is at most 30")
        return _FromTheEnd(offset, bool(from_the_end["weekday"]))
    nearest = _NEAREST.fullmatch(text)
    if nearest:
        return _Nearest(_DAY.number(nearest["day"]))
    return _Dates(_DAY.numbers(text))


def _days_of_week(text: str) -> _Days:
    if text == "L":
        return _Weekdays(frozenset({7}))
    last = _LAST_WEEKDAY.fullmatch(text)
    if last:
        return _NthWeekday(_WEEKDAY.number(last["day"]), -1)
    nth = _NTH_WEEKDAY.fullmatch(text)
    if nth:
        if nth["nth"] not in ("1", "2", "3", "4", "5"):
            raise UserError(f"{text}: a number from 1 to 5 follows '#'")
        return _NthWeekday(_WEEKDAY.number(nth["day"]), int(nth["nth"]))
    return _Weekdays(_WEEKDAY.numbers(text))


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


def _weekday(year: int, month: int, day: int) -> int:
    """1 = Sunday ... 7 = Saturday."""
    return date(year, month, day).isoweekday() % 7 + 1


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The Monday to Friday nearest to a day, in its own month."""
    weekday = _weekday(year, month, day)
    if weekday == 7:
        return day - 1 if day > 1 else day + 2
    if weekday == 1:
        return day + 1 if day < _length(year, month) else day - 2
    return day
