"""How each outside source of prices is asked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Exponential backoff with full jitter, and a circuit breaker; times in seconds.

    The wait before attempt n is uniform in [0, min(`max_wait`, `base_wait` * 2**n)], or what Retry-After asked for
    when that is within `max_wait`. The breaker opens after `breaker_failures` failures in a row and lets one call try
    again after `breaker_seconds`. `per_minute` is the most calls sent in any 60 s, 0 for no limit. `timeout` bounds one
    attempt, `total` a call with all its attempts and waits.
    """

    attempts: int = 4
    base_wait: float = 1.0
    max_wait: float = 30.0
    timeout: float = 20.0
    breaker_failures: int = 5
    breaker_seconds: float = 60.0
    per_minute: int = 0
    total: float = 120.0


@dataclass(frozen=True, slots=True)
class YahooSettings:
    """`batch` symbols are asked at a time, `workers` of them at once; `url` is asked in place of Yahoo's hosts if set.

    `currency_check` refuses a series that Yahoo quotes in another currency than the instrument's.
    """

    batch: int = 50
    workers: int = 4
    url: str = ""
    currency_check: bool = True
    retry: RetrySettings = field(default_factory=RetrySettings)


@dataclass(frozen=True, slots=True)
class AlphaVantageSettings:
    """`api_key` is a secret. The free plan allows 25 requests a day, one a second.

    `premium` asks for TIME_SERIES_DAILY_ADJUSTED over the whole history, which the free plan refuses.
    """

    api_key: str = field(default="", repr=False)
    url: str = "https://www.alphavantage.co/query"
    per_day: int = 25
    premium: bool = False
    retry: RetrySettings = field(default_factory=lambda: RetrySettings(per_minute=5))


@dataclass(frozen=True, slots=True)
class SlickchartsSettings:
    url: str = "https://www.slickcharts.com/sp500"
    retry: RetrySettings = field(default_factory=RetrySettings)


@dataclass(frozen=True, slots=True)
class FileSettings:
    """CSV and Parquet files in the long or the wide layout, later ones filling what earlier ones lack."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Persistent cache of bars and lists. Ages in seconds, `max_mb` bounds the size on disk.

    Bars younger than `fresh_for` are served without asking; when every source fails, data up to `usable_for` old is
    served and said so. `overlap_days` of the tail are asked for again to notice a changed adjustment.
    """

    directory: str = ""
    fresh_for: float = 6 * 3600.0
    usable_for: float = 4 * 86400.0
    lists_fresh_for: float = 86400.0
    lists_usable_for: float = 30 * 86400.0
    overlap_days: int = 10
    max_mb: int = 512


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """All sources and the cache."""

    yahoo: YahooSettings = field(default_factory=YahooSettings)
    alpha_vantage: AlphaVantageSettings = field(default_factory=AlphaVantageSettings)
    slickcharts: SlickchartsSettings = field(default_factory=SlickchartsSettings)
    files: FileSettings = field(default_factory=FileSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
