"""The operator's settings, read once from the environment (prefix `DUNNING_`) or a `.env` file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dunning_service.database.engines import database_url
from dunning_service.environment import PREFIX, read_given
from dunning_service.errors import ConfigurationError
from dunning_service.recovery.ladder import DEFAULT_LADDER, parse_ladder

_ORIGIN = re.compile(r"https?://[^/\s*]+")


class Settings(BaseSettings):
    """The settings. Each description is a row of docs/reference/settings.md."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: str = Field(
        "sqlite:///dunning.db", description="`sqlite:///file` (embedded) or `postgresql://user:password@host/name`"
    )
    host: str = Field("127.0.0.1", description="address `serve` listens on, and a worker's metrics")
    port: int = Field(8000, ge=0, le=65_535, description="port `serve` listens on")
    secret_key: str | None = Field(
        None,
        description="encrypts the secrets of sources and gateways: urlsafe base64 of 32 bytes, several with commas "
        "while rotating, the first encrypts; on SQLite made beside the database when missing",
        repr=False,
    )
    public_url: str | None = Field(
        None, description="what `links` and printed addresses begin with, such as `https://dunning.example.com`"
    )
    max_body_bytes: int = Field(1_048_576, ge=1_024, description="largest request body; more is answered 413")
    receive_timeout_seconds: float = Field(
        30,
        gt=0,
        le=3_600,
        description="how long the head of a request may take to arrive, and its body, and an answer to be read; slower "
        "ones are answered 408, or hung up on",
    )
    max_connections: int = Field(
        5_000,
        ge=16,
        le=100_000,
        description="most open connections that are served, in each process; requests on more are answered 503",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="origins, comma-separated, whose pages may call every API, such as "
        "`https://dashboard.example.com`; `*` for any",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line written")
    max_batch: int = Field(128, ge=1, le=1_000, description="most notices that share one commit")
    max_pending: int = Field(10_000, ge=1, description="most notices waiting for a commit; more are answered 503")
    max_pending_bytes: int = Field(
        67_108_864,
        ge=1_048_576,
        description="most bytes of bodies waiting for a commit, and of bodies that are arriving; more are answered 503",
    )
    read_connections: int = Field(5, ge=1, le=100, description="database connections for reading, in each process")
    allow_unsafe_durability: bool = Field(
        False, description="start even if the database would acknowledge a commit before the disk has it"
    )
    with_worker: bool = Field(False, description="`serve` works off what is due as well, as `--with-worker` says")
    retry_ladder: str = Field(
        str(DEFAULT_LADDER),
        description="when failed payments are tried again, counted from the first failure, for merchants without a "
        "ladder of their own: days and a local time, or spans such as `10s 20s 30s`, or `none`",
    )
    gateway_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="hosts, comma-separated, at which merchants' charging endpoints may be: `billing.example.com`, or "
        "`localhost:9000` for another port than the scheme's own",
    )
    gateway_allow_http: bool = Field(False, description="charging endpoints may be called without TLS")
    gateway_allow_private: bool = Field(False, description="charging endpoints may have loopback or private addresses")
    claim_seconds: int = Field(
        120,
        ge=1,
        le=86_400,
        description="how long an attempt that was begun may stay without an outcome before another worker asks the "
        "gateway what became of it; more than twice DUNNING_GATEWAY_TIMEOUT_SECONDS, because an attempt may ask twice",
    )
    gateway_timeout_seconds: float = Field(
        30, gt=0, le=3_600, description="how long a charging endpoint may take to answer"
    )
    charge_concurrency: int = Field(64, ge=1, le=1_000, description="most attempts that a worker has under way at once")

    @field_validator("database_url")
    @classmethod
    def _is_supported(cls, value: str) -> str:
        database_url(value)
        return value

    @model_validator(mode="after")
    def _claims_outlast_their_attempts(self) -> Settings:
        if self.claim_seconds <= 2 * self.gateway_timeout_seconds:
            raise ValueError(
                f"DUNNING_CLAIM_SECONDS is {self.claim_seconds} and has to be more than twice "
                f"DUNNING_GATEWAY_TIMEOUT_SECONDS, which is {self.gateway_timeout_seconds:g}: another worker would "
                "take over attempts that are still being made"
            )
        return self

    @field_validator("retry_ladder")
    @classmethod
    def _is_a_ladder(cls, value: str) -> str:
        try:
            return str(parse_ladder(value))
        except ConfigurationError as error:
            raise ValueError(error.message) from None

    @field_validator("cors_origins", "gateway_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _as_browsers_say_them(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: write the scheme and the host, without a path or a slash at the end, "
                    "such as https://dashboard.example.com"
                )
        return origins

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("it must begin with http:// or https://, such as https://dunning.example.com")
        return value.rstrip("/")

    @property
    def has_database_url(self) -> bool:
        """True where a database is configured; otherwise the embedded one is used."""
        return "database_url" in self.model_fields_set

    @property
    def address(self) -> str:
        """The beginning of printed addresses: `public_url`, or the address at which `serve` listens."""
        return self.local_address if self.public_url is None else self.public_url

    @property
    def local_address(self) -> str:
        """The address at which `serve` listens, as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  (compared, not listened on)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def load_settings(warn: Callable[[str], None] | None = None) -> Settings:
    """The settings of this process, from the environment and a `.env` in its folder; the environment comes first.

    Raises ConfigurationError naming each variable that is wrong. `warn` is called with what is probably a mistake.
    """
    variables = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    given = read_given(variables, os.environ, Path.cwd())
    if given.errors:
        raise ConfigurationError("; ".join(given.errors))
    if warn is not None:
        for warning in given.warnings:
            warn(warning)
    set_here = {name.upper() for name, value in os.environ.items() if value}
    from_file: dict[str, Any] = {
        variables[variable]: value for variable, value in given.from_file.items() if variable not in set_here
    }
    try:
        return Settings(**from_file)
    except ValidationError as error:
        wrong = []
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            message = detail["msg"].removeprefix("Value error, ")
            name = PREFIX + "_".join(str(part) for part in detail["loc"]).upper()
            wrong.append(f"{name}: {message}" if detail["loc"] else message)
        raise ConfigurationError("; ".join(wrong)) from None
