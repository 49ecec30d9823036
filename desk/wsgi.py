"""WSGI application of Desk, for servers without ASGI: everything except the live stream.

`/live/` exists only in desk.asgi and is answered 404 here, so that open pages get no updates and show "Reconnecting…".
Webhook deliveries are answered by the Django view, with one commit each.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "desk.settings")
application = get_wsgi_application()
