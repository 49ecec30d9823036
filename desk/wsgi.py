"""WSGI door, for servers that speak nothing else: no live stream there, pages fall back to a slow poll."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
application = get_wsgi_application()
