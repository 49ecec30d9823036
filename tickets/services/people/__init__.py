"""People in Setup: roles, invitations with departments and channels, deactivation."""
