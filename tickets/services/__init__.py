"""What can be done with conversations, in seven rooms; views, the API and tasks call nothing else."""
