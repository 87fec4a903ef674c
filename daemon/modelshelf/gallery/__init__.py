"""The gallery: what a model's page and a folder's gallery show, and how they are written as HTML. Text out, no disk."""
