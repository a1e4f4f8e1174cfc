"""Every operator setting, read once from the environment (prefix `DUNNING_`) or a `.env` file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dunning_service.db import database_url
from dunning_service.errors import ConfigurationError

_PREFIX = "DUNNING_"


class Settings(BaseSettings):
    """What an operator can choose. Each description stands in the README's settings table."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str = Field(
        "sqlite:///dunning.db", description="`sqlite:///file` (embedded) or `postgresql://user:password@host/name`"
    )
    host: str = Field("127.0.0.1", description="address `serve` listens on")
    port: int = Field(8000, ge=0, le=65_535, description="port `serve` listens on")
    secret_key: str | None = Field(
        None,
        description="encrypts source secrets: urlsafe base64 of 32 bytes, several with commas while rotating, the "
        "first encrypts; on SQLite made beside the database when missing",
        repr=False,
    )
    public_url: str | None = Field(
        None, description="what `links` and printed addresses begin with, such as `https://dunning.example.com`"
    )
    max_body_bytes: int = Field(1_048_576, ge=1_024, description="largest request body; more is answered 413")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins, comma-separated, whose pages may call the lists; none by default"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line written")
    max_batch: int = Field(128, ge=1, le=1_000, description="most notices that share one commit")
    max_pending: int = Field(10_000, ge=1, description="most notices waiting for a commit; more are answered 503")
    max_pending_bytes: int = Field(
        67_108_864, ge=1_048_576, description="most bytes of bodies waiting for a commit; more are answered 503"
    )
    read_connections: int = Field(5, ge=1, le=100, description="database connections for reading, in each process")
    allow_unsafe_durability: bool = Field(
        False, description="start even if the database would acknowledge a commit before the disk has it"
    )

    @field_validator("database_url")
    @classmethod
    def _is_supported(cls, value: str) -> str:
        database_url(value)
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("it must begin with http:// or https://, such as https://dunning.example.com")
        return value.rstrip("/")

    @property
    def address(self) -> str:
        """What the addresses that are printed begin with: `public_url`, or where `serve` listens."""
        if self.public_url is not None:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  (compared, not listened on)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def load_settings() -> Settings:
    """The settings of this process; raises ConfigurationError naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = []
        for detail in error.errors(include_url=False, include_context=False, include_input=False):
            name = _PREFIX + "_".join(str(part) for part in detail["loc"]).upper()
            wrong.append(f"{name}: {detail['msg'].removeprefix('Value error, ')}")
        raise ConfigurationError("; ".join(wrong)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the file .env in this folder cannot be read: {error}") from None
