"""The agents' inbox: lists, search, counts, and actions on conversations other than replies."""
