"""The sandbox's own pages: home, faults, traffic. Their forms do the same as the control API."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox import actions, faults, grants, tokens, views, webhooks
from sandbox.control import traffic as control_traffic
from sandbox.control import world as control_world
from sandbox.control.endpoint import read_body
from sandbox.graph import pages
from sandbox.store import Doc
from sandbox.world import World

MAX_OPEN_PAGES = 12  # the Pages of a person with more are folded
# Settings with a button on the faults page, and its words.
SWITCHES = [
    ("human_agent", "Human Agent feature"),
    ("ad_window", "Window of 7 days after an ad"),
    ("stickers", "Stickers can be sent"),
    ("profile_access", "User profile access"),
    ("require_appsecret_proof", "appsecret_proof required"),
    ("auto_read", "Customers read at once"),
    ("auto_deliver", "Delivery receipts"),
    ("webhooks_lost", "Webhooks are lost"),
]


def person_rows(world: World) -> list[Doc]:
    """Return the people with their Pages, grant, number of valid tokens, and Pages on which they lost their role."""
    rows = []
    for person in world.store.people.values():
        own = grants.person_pages(world, person["id"])
        grant = world.store.grants.get(person["id"])
        lost = [page for page in world.store.pages.values() if person["id"] in page.get("lost_roles", {})]
        rows.append(
            {
                **control_world.person_view(world, person),
                "pages": [
                    {**pages.page_state(world, page), "ticked": tokens.covers(grant, page["id"])} for page in own
                ],
                "lost": lost,
            }
        )
    return rows


async def home(request: Request) -> Response:
    """GET /: addresses, people and passwords, Pages with their state, customers."""
    world: World = request.app.state.world
    return views.render(
        request,
        "home.html",
        people=person_rows(world),
        callback=webhooks.callback_url(world),
        queued=len(world.store.deliveries),
        customers=list(world.store.customers.values()),
        first_page=next(iter(world.store.pages)),
        max_open_pages=MAX_OPEN_PAGES,
    )


async def faults_page(request: Request) -> Response:
    """GET /faults/: show the faults, and the actions by person and Page. POST: do one and redirect back."""
    world: World = request.app.state.world
    if request.method == "POST":
        try:
            body = await read_body(request)
            if body.get("clear"):
                faults.clear(world, None if body["clear"] == "all" else str(body["clear"]))
                result = {"did": "Switched off."}
            elif body.get("config"):
                name = str(body["config"])
                world.configure({name: body.get("value", "")})
                result = {"did": f"{name} is now {getattr(world.config, name)}."}
            else:
                result = {"did": control_traffic.do_fault(world, body)["did"]}
        except (ValueError, KeyError) as error:
            result = {"problem": str(error)}
        return RedirectResponse(f"/faults/?{urlencode(result)}", 303)
    return views.render(
        request,
        "faults.html",
        people=person_rows(world),
        active=list(world.store.faults.values()),
        kinds=faults.KINDS,
        graph_kinds=faults.GRAPH_KINDS,
        webhook_kinds=faults.WEBHOOK_KINDS,
        cdn_kinds=faults.CDN_KINDS,
        endpoints=faults.ENDPOINTS,
        scopes=[scope for scope in tokens.KNOWN_SCOPES if scope != "public_profile"],
        availability=actions.AVAILABILITY,
        switches=SWITCHES,
        max_open_pages=MAX_OPEN_PAGES,
    )


async def traffic(request: Request) -> Response:
    """GET /traffic/: webhooks sent, webhooks waiting, Graph calls received, callbacks."""
    world: World = request.app.state.world
    return views.render(
        request,
        "traffic.html",
        deliveries=list(reversed(world.webhook_log[-100:])),
        waiting=list(world.store.deliveries.values())[:50],
        waiting_count=len(world.store.deliveries),
        calls=list(reversed(world.calls[-100:])),
        callbacks=list(reversed(list(world.store.callbacks.values())))[:20],
        now=world.now(),
    )


async def retry(request: Request) -> Response:
    """POST /traffic/: send all queued webhooks now."""
    control_traffic.retry_now(request.app.state.world, request, {})
    return RedirectResponse("/traffic/", 303)


routes = [
    Route("/", home),
    Route("/faults/", faults_page, methods=["GET", "POST"]),
    Route("/traffic/", traffic),
    Route("/traffic/", retry, methods=["POST"]),
]
