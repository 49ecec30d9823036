"""The control API under /_sandbox/: everything that the sandbox's pages do, as JSON, for tests and for seeding.

Every answer is JSON. A request that cannot be fulfilled gets 400 {"error": sentence}.
"""

from starlette.routing import Route

from sandbox.control import customers, history, traffic, world
from sandbox.control.endpoint import Handler, json_endpoint


def _route(path: str, method: str, handler: Handler) -> Route:
    return Route(f"/_sandbox/{path}", json_endpoint(handler), methods=[method])


routes = [
    _route("reset", "POST", world.reset),
    _route("config", "GET", world.get_config),
    _route("config", "PATCH", world.patch_config),
    _route("world", "GET", world.get_world),
    _route("people", "POST", world.post_people),
    _route("pages", "POST", world.post_pages),
    _route("pages/{page}/inbox", "POST", customers.post_inbox),
    _route("pages/{page}/history", "POST", history.post_history),
    _route("pages/{page}/owner", "POST", customers.post_thread_owner),
    _route("pages/{page}/subscription", "POST", world.post_subscriptions),
    _route("customers", "POST", world.post_customers),
    _route("customers/{customer}/messages", "POST", customers.post_message),
    _route("customers/{customer}/edits", "POST", customers.post_edit),
    _route("customers/{customer}/unsend", "POST", customers.post_unsend),
    _route("customers/{customer}/reactions", "POST", customers.post_reaction),
    _route("customers/{customer}/postbacks", "POST", customers.post_postback),
    _route("customers/{customer}/referrals", "POST", customers.post_referral),
    _route("customers/{customer}/samples", "POST", customers.post_sample),
    _route("customers/{customer}/reads", "POST", customers.post_read),
    _route("grants", "POST", world.post_grants),
    _route("files", "POST", world.post_files),
    _route("events", "POST", traffic.post_events),
    _route("webhooks", "GET", traffic.get_webhooks),
    _route("webhooks/raw", "POST", traffic.post_raw_webhook),
    _route("webhooks/retry", "POST", traffic.retry_now),
    _route("signed-request", "POST", traffic.signed_request),
    _route("sent", "GET", customers.get_sent),
    _route("calls", "GET", traffic.get_calls),
    _route("calls", "DELETE", traffic.clear_calls),
    _route("faults", "GET", traffic.get_faults),
    _route("faults", "POST", traffic.post_faults),
    _route("faults", "DELETE", traffic.delete_faults),
    _route("faults/{fault}", "DELETE", traffic.delete_faults),
]
