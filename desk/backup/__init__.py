"""Backup and restore: the database and the files in one archive, which does not depend on the kind of database."""
