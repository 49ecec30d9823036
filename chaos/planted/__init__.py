"""Mistakes that are planted on purpose, to show that chaos finds them. Nothing of Desk knows of this package.

The processes of a round are started with the settings `chaos.planted.settings`, which load the app below; it changes
Desk's functions in that process, as the environment variable CHAOS_PLANTED says.
"""
