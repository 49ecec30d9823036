"""Date and time formats for templates that name none."""
