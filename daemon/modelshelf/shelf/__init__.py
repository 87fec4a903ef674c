"""What the disk says: which files are ours, what lies in a directory, whether a file is whole and a folder there."""
