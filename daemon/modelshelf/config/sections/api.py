"""`api`: how Civitai is asked."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from modelshelf import __version__
from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import Seconds

PLACEHOLDER_KEYS = frozenset({"your_api_key_here", "your_api_key", "your-api-key"})
"""What CivitScraper's example files hold where a key belongs."""


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an address such as https://civitai.com/api/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user, query or fragment; the key belongs in api.key")
    return value.rstrip("/")


def _key(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text; put it in quotes")  # noqa: TRY004 -- pydantic gathers ValueErrors
    text = value.strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds characters that no key has; copy it again from your Civitai account page")
    return text


def _host(value: str) -> str:
    if not value or "/" in value or not value.isascii() or not value.isprintable():
        raise ValueError("must be a host name such as civitai.com")
    return value.lower()


Url = Annotated[str, AfterValidator(_base_url)]
Host = Annotated[str, AfterValidator(_host)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class CircuitBreaker(Section):
    """`api.batch.circuit_breaker`."""

    failure_threshold: int = Field(
        default=5, ge=1, description="So many failures in a row, and one kind of question rests for `reset_timeout`"
    )
    reset_timeout: Seconds = Field(
        default=60, description="How long a kind of question rests that failed again and again; then a single one tries"
    )


class AdaptiveBatch(Section):
    """`api.batch.adaptive_batch`: how many hashes one request asks for, by how well the last ones went."""

    min_size: int = Field(
        default=25, ge=1, le=100, description="Fewest hashes in a request; a smaller `max_size` wins over the default"
    )
    max_size: int = Field(
        default=100, ge=1, le=100, description="Most hashes in a request, and how many it begins with"
    )
    scale_up_rate: Fraction = Field(
        default=0.95, description="A larger share of requests answered than this: more hashes in each"
    )
    scale_down_rate: Fraction = Field(
        default=0.5,
        description="A smaller share than this: a quarter of the hashes; between the two rates: half of them",
    )


class Batch(Section):
    """`api.batch`: the pace."""

    enabled: bool = Field(default=True, description="Kept, without effect: one request always asks for many hashes")
    max_concurrent: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Kept, without effect: few requests are under way at once, whatever the pace",
    )
    rate_limit: int = Field(
        default=100,
        ge=1,
        description="Most requests of one kind per minute; thirty times as many for pictures of one host",
    )
    retry_delay: int = Field(
        default=1000,
        ge=0,
        description="Milliseconds that waits begin with after a failure; they double, to an hour at most",
    )
    cache_size: int = Field(default=100, ge=0, description="Answers in memory, those used last; the others are on disk")
    circuit_breaker: CircuitBreaker = Field(default_factory=CircuitBreaker, description="When to leave Civitai alone")
    adaptive_batch: AdaptiveBatch = Field(default_factory=AdaptiveBatch, description="How large batches are")


class Domains(Section):
    """`api.domains`: which site a page links to."""

    sfw: Host = Field(default="civitai.com", description="Where the page of a model leads to that is for everybody")
    nsfw: Host = Field(
        default="civitai.red", description="Where one leads to that is marked NSFW or of `nsfwLevel` 4 (R) and above"
    )


class Nsfw(Section):
    """`api.nsfw`."""

    level_threshold: int = Field(
        default=4,
        ge=1,
        le=63,
        description="Pictures of this `nsfwLevel` (4: R) and above are taken only where nothing is tamer",
    )
    browsing_level: str = Field(
        default="X", description="Kept, without effect: pictures come with the record of the version"
    )


class Api(Section):
    """`api`."""

    key: Annotated[SecretStr, BeforeValidator(_key)] = Field(
        default=SecretStr(""),
        description="Your Civitai API key; better in `$CIVITAI_API_KEY`, which wins. Never logged or shown",
    )
    base_url: Url = Field(default="https://civitai.com/api/v1", description="Where the API is; `$CIVITAI_API_URL` wins")
    timeout: Seconds = Field(default=30, description="How long one request may take")
    max_retries: int = Field(
        default=3,
        ge=0,
        le=20,
        description="Kept, without effect: a lookup that failed is owed, and tried again for as long as it takes",
    )
    user_agent: str | None = Field(
        default=None, min_length=1, description="How the daemon introduces itself; default `modelshelf/VERSION`"
    )
    batch: Batch = Field(default_factory=Batch, description="The pace of requests")
    domains: Domains = Field(default_factory=Domains, description="Sites that pages link to")
    nsfw: Nsfw = Field(default_factory=Nsfw, description="What counts as NSFW")

    @property
    def user_agent_text(self) -> str:
        """How the daemon introduces itself."""
        return self.user_agent or f"modelshelf/{__version__}"

    @property
    def key_text(self) -> str | None:
        """The key to send, None where there is none or only an example file's placeholder."""
        text = self.key.get_secret_value()
        return text if text and text.lower() not in PLACEHOLDER_KEYS else None
