"""The Graph API: one module per noun of Meta's reference."""
