"""The files themselves, and models.json, which says of each what it does, where it comes from and its licence."""
