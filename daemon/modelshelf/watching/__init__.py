"""The door for changes: kernel events become dirty paths, and any doubt becomes a word to the caller, who scans."""
