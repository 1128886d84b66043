"""What ``main.py`` can do, a module for each group of commands."""
