"""The routes behind the hot one, a module for each kind; ``creditrisk.service.app`` puts them together."""
