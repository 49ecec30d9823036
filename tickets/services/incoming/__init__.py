"""Process what comes from Meta: events, receipts, files and profiles."""
