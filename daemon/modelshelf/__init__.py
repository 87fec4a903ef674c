"""modelshelf: a daemon that watches folders of AI model files and describes what lands there."""

__version__ = "0.1.0"
