"""modelshelf: a daemon that watches folders of AI model files and describes what lands there."""

import os

__version__ = "0.1.0"

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
"""pydantic would look through every installed package for plug-ins at each start; none has business in our configuration."""
