"""How often one user may ask the API: DESK_API_RATE, counted in the cache."""

from django.conf import settings
from rest_framework.throttling import UserRateThrottle


class RatePerUser(UserRateThrottle):
    """No limit while DESK_API_RATE is empty. Who goes over it is answered 429 with Retry-After."""

    def get_rate(self) -> str | None:
        return settings.DESK_API_RATE or None
