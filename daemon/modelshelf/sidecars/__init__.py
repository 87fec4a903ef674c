"""The sidecar room: what stands beside a model file, read without trust and written without taking anything away.

One file per dialect that is written (`forge`, `civitai_info`, `civitscraper`), each a `Writer`. `plan` says what would be
written where, `facts` what the found ones say; `mark` tells our words from everybody else's.
"""
