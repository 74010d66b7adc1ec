"""One run on many machines: shards, blocks, workers, containers, records (docs/scaling.md). Fits nothing itself."""
