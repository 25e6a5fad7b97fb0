"""Who is asking: access tokens of the instance's own client, and nothing else."""
