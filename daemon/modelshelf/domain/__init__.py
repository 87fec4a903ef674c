"""The nouns of modelshelf: frozen values without I/O. Every other room may use them; they use nobody."""
