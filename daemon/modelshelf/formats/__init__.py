"""What is inside files: their hashes, what they say of themselves, what their tensors show. Reads bounded, trusts nothing."""
