"""The people with passwords, their Pages, and the customers of the first start. Their ids never change."""

from typing import Any

from sandbox.actions import ALL_TASKS
from sandbox.world import World

PEOPLE = [
    ("anna", "2000000000000001", "Anna Berg", "anna@example.com"),
    ("omar", "2000000000000002", "Omar Haddad", "omar@example.com"),
    ("mia", "2000000000000003", "Mia Chen", "mia@example.com"),
]
BUSINESS = ("3000000000000001", "Haddad Holding")
# id, name, category, category id, glyph, owner, tasks (None: all), business
PAGES: list[tuple[Any, ...]] = [
    ("101000000000001", "Berg Bikes", "Bicycle Shop", "191478144212980", "bike", "anna", None, None),
    ("101000000000002", "Berg Bakery", "Bakery", "1759697370912158", "bread", "anna", None, None),
    ("101000000000003", "Haddad Travel", "Travel Agency", "164049010316507", "plane", "omar", None, None),
    ("101000000000004", "Haddad Optics", "Optician", "193831710644458", "glasses", "omar", None, None),
    ("101000000000005", "Haddad Archive", "Library", "197817313562497", "shop", "omar", ["ANALYZE", "ADVERTISE"], None),
    ("101000000000006", "Souk Collective", "Shopping & Retail", "200600219953504", "shop", "omar", None, BUSINESS[0]),
]
DISTRICTS = [
    "Mitte", "Wedding", "Moabit", "Pankow", "Köpenick", "Spandau", "Steglitz", "Tegel", "Dahlem", "Lankwitz",
    "Britz", "Rudow", "Buckow", "Lichtenberg", "Karow", "Buch", "Gatow", "Kladow", "Wannsee", "Zehlendorf",
    "Marzahn", "Hellersdorf", "Mahlsdorf", "Biesdorf", "Friedenau", "Schöneberg", "Tempelhof", "Neukölln",
    "Treptow", "Adlershof",
]  # fmt: skip
# id, first name, last name, locale, time zone, gender, profile
CUSTOMERS = [
    ("lena", "Lena", "Fischer", "de_DE", 1, "female", "full"),
    ("joao", "João", "Almeida", "pt_PT", 0, "male", "full"),
    ("sara", "Sara", "Lindqvist", "sv_SE", 1, "female", "full"),
    ("tom", "Tom", "Becker", "de_DE", 1, "male", "full"),
    ("priya", "Priya", "Nair", "en_GB", 5.5, "female", "full"),
    ("marek", "Marek", "Nowak", "pl_PL", 1, "male", "name_only"),
    ("chloe", "Chloé", "Martin", "fr_FR", 1, "female", "full"),
    ("yusuf", "Yusuf", "Demir", "tr_TR", 3, "male", "full"),
    ("ines", "Inés", "García", "es_ES", 1, "female", "full"),
    ("kofi", "Kofi", "Mensah", "en_GB", 0, "male", "empty"),
    ("anouk", "Anouk", "de Vries", "nl_NL", 1, "female", "full"),
    ("guest", "Messenger", "Guest", "en_US", 0, "", "error"),
]
NEW_NAMES = [
    ("Emma", "Schulz"), ("Noah", "Weber"), ("Aisha", "Khan"), ("Luca", "Rossi"), ("Zoë", "Peeters"), ("Mateo", "Silva"),
    ("Freja", "Holm"), ("Kenji", "Sato"), ("Olena", "Koval"), ("Samir", "Aziz"), ("Grace", "Okafor"),
    ("Piotr", "Zieliński"),
]  # fmt: skip


def seed(world: World) -> None:
    """Fill an empty world with people, Pages and customers."""
    for key, asid, name, email in PEOPLE:
        add_person(world, key, name, asid=asid, email=email, password=key)
    world.store.put("businesses", BUSINESS[0], {"id": BUSINESS[0], "name": BUSINESS[1], "people": ["omar"]})
    for key, name, category, category_id, glyph, owner, tasks, business in PAGES:
        add_page(
            world, key, name, {owner: tasks or list(ALL_TASKS)},
            category=category, category_id=category_id, glyph=glyph, business=business,
        )  # fmt: skip
    for number, district in enumerate(DISTRICTS, 1):
        add_page(
            world, f"1020000000000{number:02}", f"Chen Noodles {district}", {"mia": list(ALL_TASKS)},
            category="Noodle House", category_id="150534008338515", glyph="bowl",
        )  # fmt: skip
    for key, first, last, locale, zone, gender, profile in CUSTOMERS:
        add_customer(world, key, first, last, locale=locale, timezone=zone, gender=gender, profile=profile)


def add_person(world: World, key: str, name: str, *, asid: str, email: str, password: str) -> dict[str, Any]:
    """Add somebody who can log in and manage Pages; `asid` is the app-scoped id that Facebook Login gives."""
    return world.store.put(
        "people",
        key,
        {
            "id": key,
            "asid": asid,
            "name": name,
            "email": email,
            "password": password,
            "checkpoint": False,
            "unconfirmed": False,
            "empty_accounts": False,
        },
    )


def add_page(
    world: World,
    key: str,
    name: str,
    roles: dict[str, list[str]],
    *,
    category: str = "Local Business",
    category_id: str = "2500",
    glyph: str = "shop",
    business: str | None = None,
    hide_token: bool = False,
) -> dict[str, Any]:
    """Add a Page; `roles` maps people to their tasks. With `hide_token` it is listed without an access_token."""
    return world.store.put(
        "pages",
        key,
        {
            "id": key,
            "name": name,
            "category": category,
            "category_id": category_id,
            "username": "".join(letter for letter in name.lower() if letter.isalnum()),
            "about": f"{name}: write to us on Messenger.",
            "glyph": glyph,
            "fans": 100 + int(key[-4:]) * 37 % 900,
            "roles": roles,
            "business": business,
            "client_of": None,
            "hide_token": hide_token,
            "restricted": False,
            "published": True,
            "default_app": False,
            "webhook": {"failing_since": None, "alert": None},
        },
    )


def add_customer(
    world: World,
    key: str,
    first: str,
    last: str,
    *,
    locale: str = "en_US",
    timezone: float = 0,
    gender: str = "",
    profile: str = "full",
    app_role: bool = False,
) -> dict[str, Any]:
    """Add somebody who writes to Pages. `profile` is full, name_only, empty or error: what the profile call answers."""
    return world.store.put(
        "customers",
        key,
        {
            "id": key,
            "first_name": first,
            "last_name": last,
            "name": f"{first} {last}".strip(),
            "locale": locale,
            "timezone": timezone,
            "gender": gender,
            "profile": profile,
            "availability": "available",
            "blocked_pages": [],
            "app_role": app_role,
        },
    )


def new_customer(world: World) -> dict[str, Any]:
    """Add the next made-up customer."""
    for round_number in range(1, 1000):
        for first, last in NEW_NAMES:
            key = f"{first}-{last}".lower().encode("ascii", "ignore").decode() + (
                "" if round_number == 1 else f"-{round_number}"
            )
            if key not in world.store.customers:
                return add_customer(world, key, first, last if round_number == 1 else f"{last} {round_number}")
    raise ValueError("There are no more names for customers.")
