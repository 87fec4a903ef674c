"""What `modelshelf doctor` looks at, a file per part of the installation. Nothing here writes anything."""
