"""Any table from anywhere: fetched, recognised, read row by row without losing a broken line."""
