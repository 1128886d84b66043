"""The seven stages: each reads files, calls the package, writes files. DVC runs them through the numbered scripts."""
