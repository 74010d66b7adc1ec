#!/bin/bash
# One run on the hosts of a TPU slice: the same command on every host, each a shard by its place in jax.distributed.
#   gcloud compute tpus tpu-vm ssh NAME --worker=all --command="bash tpu_slice.sh gs://BUCKET/scenes gs://BUCKET/run"
# Answers lie beside the scenes in their tars (prosepose pack --answers=…).
set -euo pipefail

scenes=${1:?gs:// URL of the scenes}
run=${2:?gs:// URL of the run}

export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-${run%/*}/jax_cache}"

status=0
prosepose fit --config=two_person --config.batch_size=64 --distributed --scenes="$scenes" --workdir="$run" || status=$?

# The first host merges; all are done by now, for jax.distributed ends together.
if [ "${TPU_WORKER_ID:-0}" = 0 ]; then
    prosepose merge "$run"
fi
exit "$status"
