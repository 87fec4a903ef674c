"""The Civitai room: asks the public REST API and turns its JSON into our nouns."""
