"""REST API v1: JSON, token authentication, the same permissions and rules as the pages (docs/api.md)."""
