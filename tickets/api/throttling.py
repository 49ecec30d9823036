"""The rate limit of the API for each user: DESK_API_RATE, counted in the cache."""

from django.conf import settings
from django.core.cache import caches
from rest_framework.throttling import UserRateThrottle


class RatePerUser(UserRateThrottle):
    """Answer 429 with Retry-After over the limit. There is no limit while DESK_API_RATE is empty."""

    cache = caches["api"]

    def get_rate(self) -> str | None:
        return settings.DESK_API_RATE or None
