"""Setup → People: who works here, invitations, roles, deactivation."""
