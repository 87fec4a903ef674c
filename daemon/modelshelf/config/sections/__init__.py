"""The sections of the configuration file, a module each: keys, defaults and what each key means for a daemon."""
