"""The types of a schedule's fields."""

from typing import Annotated

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Milliseconds = Annotated[float, Field(ge=0, le=3_600_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Count = Annotated[int, Field(ge=0, le=1_000)]
Nth = Annotated[int, Field(ge=1, le=10_000)]
Kilobytes = Annotated[int, Field(ge=0, le=10_000)]
