"""A shelf to look at: a dozen tiny model files, a local stand-in for Civitai that knows them, and the daemon itself."""
