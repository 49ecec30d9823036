"""What `responses` keeps of a call beside the request itself."""

from typing import Any

import requests


def params_of(request: requests.PreparedRequest) -> dict[str, Any]:
    """Return the parameters of the query."""
    return request.params  # type: ignore[attr-defined]  # set by responses


def options_of(request: requests.PreparedRequest) -> dict[str, Any]:
    """Return the arguments with which the request was sent, such as `timeout`."""
    return request.req_kwargs  # type: ignore[attr-defined]  # set by responses
