"""Widgets that pages and windows share."""
