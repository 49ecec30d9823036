"""The agent's inbox: lists, search, counts, and what agents do with conversations besides replying."""
