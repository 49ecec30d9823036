"""What a test client returns, under a name that can be imported, and the bytes of a file that is streamed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response
    from rest_framework.response import _MonkeyPatchedResponse as ApiResponse
else:
    Response = ApiResponse = HttpResponse

__all__ = ["ApiResponse", "Response", "streamed"]


def streamed(response: HttpResponseBase) -> bytes:
    """Return all bytes of a streaming response; a file is closed after its last byte."""
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(cast(Iterable[bytes], response.streaming_content))
