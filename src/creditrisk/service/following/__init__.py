"""Following the registry: a new champion is fetched, verified and swapped in, or refused."""
