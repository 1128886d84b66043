"""From a source to a clean table of characteristics."""
