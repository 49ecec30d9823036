"""Static files: served by the web process itself, under names that change with their content."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise, answering with the whole file: its own stream is synchronous, which an ASGI server warns about."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with `static_file`, as WhiteNoise chose it for the request (plain or compressed, 200, 206 or 304)."""
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
    """Also renames what our JavaScript modules import: after an upgrade no page mixes old modules with new ones.

    Django's own switch for it reads every script, and takes an example in a comment of htmx for an import.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _every_script, imports = self._js_module_import_aggregation_patterns
        self.patterns = (*self.patterns, ("desk/js/*.js", imports))
        super().__init__(*args, **kwargs)
