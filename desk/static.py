"""Serve static files from the web process, under names that change with their content."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise with whole files as answers: its synchronous streams cause warnings under an ASGI server."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with `static_file`, which WhiteNoise chose for the request (plain or compressed; 200, 206 or 304)."""
        answer = static_file.get_response(request.method, request.META)
        content = b""
        if answer.file is not None:
            with answer.file:
                content = answer.file.read()
        response = HttpResponse(content, status=int(answer.status))
        del response["content-type"]
        for name, value in answer.headers:
            response[name] = value
        return response


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Rename the imports in our JavaScript modules too: after an upgrade no page mixes old modules with new ones.

    Django's own option for this reads every script, and mistakes an example in a comment of htmx for an import.
    """

    # Django needs another pass for each module that imports one later in the alphabet. Circular imports would take
    # passes without end, so there is a limit; Django's own, 5, is shorter than our chains of imports.
    max_post_process_passes = 20

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _every_script, imports = self._js_module_import_aggregation_patterns
        self.patterns = (*super().patterns, ("desk/js/*.js", imports))
        super().__init__(*args, **kwargs)
