"""The configuration: YAML and the environment in; a Config or a ConfigError out. Only cli and daemon.py come here."""

from modelshelf.config.config import Config
from modelshelf.config.find import find_config
from modelshelf.config.job import Action, Job
from modelshelf.config.load import load_config
from modelshelf.config.schedule import Schedule
from modelshelf.config.schema import schema_json

__all__ = ["Action", "Config", "Job", "Schedule", "find_config", "load_config", "schema_json"]
