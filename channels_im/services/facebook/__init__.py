"""Facebook logins and Pages: linking, tokens, subscriptions, warnings."""
