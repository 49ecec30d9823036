"""What `manage.py loadtest` is made of: its customers, the deliveries it sends, and what it watches meanwhile."""
