#!/bin/bash
# One run as a SLURM job array: each task is a shard, a last job merges. Submit from a folder that all nodes see:
#   sbatch deploy/slurm.sh SCENES ANSWERS DIR
# A task that dies or is pre-empted is put back into the queue and goes on; so does the whole array when it is
# submitted again. ntasks stays 1: the array is what divides the run.
#SBATCH --job-name=prosepose
#SBATCH --array=0-63
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

scenes=${1:?folder or URL of the scenes}
answers=${2:?answers file}
run=${3:?folder or URL of the run}

# Compiled once, for all tasks.
export JAX_COMPILATION_CACHE_DIR="${JAX_COMPILATION_CACHE_DIR:-$PWD/.jax_cache}"

if [ "${SLURM_ARRAY_TASK_ID:-}" = "${SLURM_ARRAY_TASK_MIN:-0}" ] && [ "${SLURM_RESTART_COUNT:-0}" = 0 ]; then
    # Once: the merge, after all tasks, whatever became of them.
    sbatch --job-name=prosepose-merge --dependency="afterany:${SLURM_ARRAY_JOB_ID}" --cpus-per-task=2 \
        --wrap="prosepose merge '$run'"
fi

# SLURM sends SIGTERM before it kills; the shard stops, says so, and others see at once that it is gone.
exec prosepose fit --config=two_person --config.batch_size=auto \
    --scenes="$scenes" --answers="$answers" --workdir="$run"
