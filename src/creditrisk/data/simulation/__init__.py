"""A generator of loan applications with a known true probability of default."""
