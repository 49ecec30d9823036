"""Where Meta's deliveries arrive: a Django view, and beside it a bare ASGI door for the same address."""

PATH = "/webhooks/messenger/"
