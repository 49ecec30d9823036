"""All code that knows Meta's APIs: one module per chapter of Meta's Messenger documentation."""
