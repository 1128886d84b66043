"""Who may ask: keys, their scopes and rates, and what keeps strangers out of a service without keys."""
