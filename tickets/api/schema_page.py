"""`/api/schema/`: the OpenAPI description, generated once in each process."""

import hashlib
import threading
from typing import Any, ClassVar

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.encoding import force_bytes
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request


class SchemaView(SpectacularAPIView):
    """Answer everybody with the description, as YAML or JSON: it depends on version and settings only.

    It takes most of a second to generate, so each process does it once for each format.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    _one_at_a_time = threading.Lock()
    _generated: ClassVar[dict[str, bytes]] = {}

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer with the description, or 304 when the client has it."""
        renderer = request.accepted_renderer
        with self._one_at_a_time:
            if renderer.format not in self._generated:
                schema = self.generator_class().get_schema(request=None, public=True)
                self._generated[renderer.format] = force_bytes(renderer.render(schema, renderer.media_type, {}))
        body = self._generated[renderer.format]
        etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
        response = get_conditional_response(request._request, etag=etag) or HttpResponse(body)
        response.headers["Content-Type"] = renderer.media_type
        response.headers["Content-Disposition"] = f'inline; filename="desk-api.{renderer.format}"'
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "public, no-cache"
        patch_vary_headers(response, ["Accept"])
        return response
