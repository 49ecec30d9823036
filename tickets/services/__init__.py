"""All operations on conversations, in seven packages. Views, the API and tasks call only these."""
