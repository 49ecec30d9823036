"""Receive webhook deliveries of Meta: a Django view, and a plain ASGI application for POSTs to the same URL."""

PATH = "/webhooks/messenger/"
