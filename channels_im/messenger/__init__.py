"""All that knows Meta: one module per chapter of Meta's own Messenger documentation."""
