"""The window: Qt Widgets over the engine in app."""
