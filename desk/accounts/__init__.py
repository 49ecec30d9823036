"""Login, passwords, two-step login and sessions: what Desk adds to django-allauth."""
