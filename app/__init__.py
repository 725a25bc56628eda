"""The engine: everything Slipway does, without Qt."""
