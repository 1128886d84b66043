"""Models: families that are fitted, runtimes that serve them, and the bundle that carries one."""
