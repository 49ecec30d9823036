"""Setup: Django's admin with Desk's menu, login and first page.

Apps add to it from `AppConfig.ready()`: `register_menu` for a line of the menu, `register_attention` for what needs an
administrator's attention, `register_panel` for what else the first page shows, `register_step` for the checklist of a
new installation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from desk import __version__
from desk.languages import translated
from desk.models import User
from desk.sentences import sentence

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu. Any one of `permissions` is enough to see it; `children` are shown while the item is open."""

    label: str
    url_name: str
    permissions: tuple[str, ...] = ()
    section: str = ""
    order: int = 50
    children: tuple["MenuItem", ...] = ()

    def is_for(self, user: User | AnonymousUser) -> bool:
        """Return whether this user sees the item."""
        return not self.permissions or any(user.has_perm(permission) for permission in self.permissions)


@dataclass(frozen=True)
class Attention:
    """Something that needs attention: a sentence, a button (`action`, `url`) and a `level` (`danger` or `warning`)."""

    sentence: str
    url: str
    action: str
    level: str = "warning"


@dataclass(frozen=True)
class Step:
    """A step of the checklist of a new installation. `done` is called for each page view."""

    title: str
    text: str
    url_name: str
    action: str
    done: Callable[[], bool] = field(compare=False)
    order: int = 50


@dataclass(frozen=True)
class Panel:
    """A part of the first page: a template, which gets `context` as `panel`."""

    template: str
    context: dict[str, Any]


_menu: list[MenuItem] = []
_attention: list[Callable[[User], list[Attention]]] = []
_panels: dict[Callable[[User], Panel | None], int] = {}  # with their order
_steps: list[Step] = []
_password_notes: list[Callable[[User], str]] = []


def register_menu(item: MenuItem) -> None:
    """Add a line to the menu."""
    if item not in _menu:
        _menu.append(item)
        _menu.sort(key=lambda item: item.order)


def register_attention(report: Callable[[User], list[Attention]]) -> None:
    """Add `report(user)`, which returns what needs attention, to the first page."""
    if report not in _attention:
        _attention.append(report)


def register_panel(panel: Callable[[User], Panel | None], order: int = 50) -> None:
    """Add `panel(user)` to the first page; it returns None when there is nothing to show."""
    _panels[panel] = order


def register_step(step: Step) -> None:
    """Add a step to the checklist of a new installation."""
    if step not in _steps:
        _steps.append(step)
        _steps.sort(key=lambda step: step.order)


def register_password_note(note: Callable[[User], str]) -> None:
    """Add `note(user)`, what to think of after setting that user's password in Setup; "" for nothing."""
    if note not in _password_notes:
        _password_notes.append(note)


def password_notes(user: User) -> list[str]:
    """Return what to think of after setting the password of `user`."""
    return [text for note in _password_notes if (text := note(user))]


def attention_of(user: User) -> list[Attention]:
    """Return what needs the attention of `user`, the most urgent first."""
    items = [item for report in _attention for item in report(user)]
    return sorted(items, key=lambda item: item.level != "danger")


def panels_of(user: User) -> list[Panel]:
    """Return what else the first page shows to `user`, in order."""
    return [found for panel in sorted(_panels, key=lambda panel: _panels[panel]) if (found := panel(user))]


STYLES = tuple(
    f"setup/{part}.css"
    for part in (
        "admin",
        "layout",
        "setup",
        "channels",
        "channel-form",
        "dialogs",
        "integrations",
        "people",
        "canned-files",
        "go-live",
        "health",
    )
)


#: Only for those who would be told of a channel that does not work.
ALL_WORK = sentence("All channels are working.")


class DeskAdminSite(AdminSite):
    """The admin site of Desk, called Setup in the interface."""

    site_header = site_title = "Desk Setup"  # English only: no page shows it
    index_title = gettext_lazy("Setup")
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().each_context(request),
            "setup_menu": self.menu(request),
            "setup_styles": STYLES,
            "desk_version": __version__,
        }

    def menu(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the menu of this user by section; `here` marks the current page."""
        shown = [item for item in _menu if item.is_for(request.user)]
        here = self._here(shown, request)
        sections: dict[str, list[dict[str, Any]]] = {}
        for item in shown:
            sections.setdefault(item.section, []).append(self._menu_line(item, request, here))
        return [{"title": title, "lines": lines} for title, lines in sections.items()]

    @staticmethod
    def _here(shown: list[MenuItem], request: HttpRequest) -> str:
        """Return the address in the menu that the current page belongs to: the longest with which its own begins."""
        addresses = [reverse(each.url_name) for item in shown for each in (item, *item.children)]
        home = reverse("admin:index")
        found = [url for url in addresses if request.path == url or (url != home and request.path.startswith(url))]
        return max(found, key=len, default="")

    def _menu_line(self, item: MenuItem, request: HttpRequest, here: str) -> dict[str, Any]:
        children = [self._menu_line(child, request, here) for child in item.children if child.is_for(request.user)]
        url = reverse(item.url_name)
        is_here = url == here or any(child["here"] for child in children)
        return {"label": item.label, "url": url, "here": is_here, "children": children}

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Answer 403 to a logged-in user who is no administrator, instead of asking them to log in again.

        A script of the workspace gets 401 when the session has ended.
        """
        inner = super().admin_view(view, cacheable)

        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            is_logout = request.path == reverse("admin:logout")
            if request.user.is_authenticated and not self.has_permission(request) and not is_logout:
                raise PermissionDenied(sentence("Setup is for administrators."))
            if not request.user.is_authenticated and request.headers.get("HX-Request") == "true":
                return HttpResponse(status=401, headers={"HX-Redirect": resolve_url(settings.LOGIN_URL)})
            return inner(request, *args, **kwargs)

        return cast(View, checked)  # a wrapper of any signature; Python cannot write the view's own

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [path("attention/", self.admin_view(self.urgent), name="attention"), *super().get_urls()]

    def urgent(self, request: HttpRequest) -> JsonResponse:
        """Answer with the urgent sentences of the first page, for the red dot on the way to Setup."""
        user = request.user
        items = attention_of(user) if isinstance(user, User) else []
        return JsonResponse({"urgent": [translated(item.sentence) for item in items if item.level == "danger"]})

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what needs attention; in a new installation, the checklist instead."""
        steps = [
            {"title": s.title, "text": s.text, "url": reverse(s.url_name), "action": s.action, "done": s.done()}
            for s in _steps
        ]
        user = request.user
        context = {
            "steps": steps,
            "next_step": next((step for step in steps if not step["done"]), None),
            "attention": attention_of(user) if isinstance(user, User) else [],
            "quiet": ALL_WORK
            if user.has_perm("channels_im.view_channel")
            else sentence("Nothing needs your attention."),
            "panels": panels_of(user) if isinstance(user, User) else [],
            **(extra_context or {}),
        }
        return super().index(request, context)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirect to the common login page, which has rate limits; answer 403 to a logged-in user who is not staff."""
        target = request.GET.get("next", "")
        if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
            target = reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(target)  # not redirect(), which takes a word for the name of a view
        if request.user.is_authenticated:
            raise PermissionDenied(sentence("Setup is for administrators."))
        return redirect_to_login(target, resolve_url("account_login"))

    def password_change(  # type: ignore[override]  # Django's shows a page; this one redirects
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the common page: limited tries, a record of the change, an offer to revoke API tokens."""
        return redirect("account_change_password")

    def logout(  # type: ignore[override]  # Django's logout shows a page; this one redirects to the login
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Log out and redirect to the common login page."""
        if request.method == "POST":
            logout(request)
        return redirect("account_login")
