"""The ground of every spec model: a frozen pydantic base, the lenient scalars, and the mark each field carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

KEY_PATTERN = r"^[A-Za-z0-9_\-]+$"


class Support(Enum):
    """What becomes of a field on this machine."""

    HONOURED = "honoured"
    NOTED = "noted"
    REFUSED = "refused"


@dataclass(frozen=True)
class Mark:
    """The one statement about a field: is it honoured, and if not, why and what to do.

    `words` lists values of the field that are treated otherwise than the field as a whole.
    """

    support: Support
    message: str = ""
    words: tuple[tuple[str, Mark], ...] = ()

    def of(self, value: object) -> Mark:
        """The mark of this field when it holds `value`."""
        word = value.value if isinstance(value, Enum) else value
        return next((mark for special, mark in self.words if special == word), self)

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        text = f"{self.support.value}: {self.message}" if self.message else self.support.value
        return {**schema, "description": text} if "$ref" not in schema else {"allOf": [schema], "description": text}


def honoured(message: str = "", **words: Mark) -> Mark:
    """A field that does here what it does on Databricks (`words`: the values that do not)."""
    return Mark(Support.HONOURED, message, tuple(words.items()))


def noted(message: str) -> Mark:
    """A field that is accepted and echoed, and has no effect here."""
    return Mark(Support.NOTED, message)


def refused(message: str) -> Mark:
    """A field whose task cannot be run here: it fails by name unless it is stubbed."""
    return Mark(Support.REFUSED, message)


HONOURED = honoured()


class Spec(BaseModel):
    """Base of all models: frozen, unknown keys refused, a null is the same as a field left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return without_nulls(data)


def without_nulls(data: Any) -> Any:
    """`data` without the keys whose value is null; anything but a mapping as it is."""
    return {key: value for key, value in data.items() if value is not None} if isinstance(data, Mapping) else data


def text_of(value: Any) -> Any:
    """A bool or number as Databricks' tools write it into a string field; anything else as it is."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return plain_float(value)
    return value


def plain_float(value: float) -> str:
    """A float without exponent and without a trailing `.0`, the way the bundle tool puts one into a string field."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    digits = f"{value:f}" if float(f"{value:f}") == value else _positional(value)
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _positional(value: float) -> str:
    from decimal import Decimal

    return format(Decimal(repr(value)), "f")


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError(
            "whole_number", "must be a whole number, found {found}", {"found": str(value).lower()}
        )
    return value


Text = Annotated[str, BeforeValidator(text_of), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": ["integer", "string"]})]
TextMap = Annotated[dict[str, Text], BeforeValidator(without_nulls)]
Key = Annotated[Text, StringConstraints(min_length=1, max_length=100, pattern=KEY_PATTERN)]
