#!/usr/bin/env bash
# One study on the nodes of a Slurm job. From the project's folder, after `make setup` on a file system that all nodes see:
#
#   sbatch --nodes=4 --gpus-per-node=4 launch/cluster/slurm.sh studies/smnist_ablation.yaml --set resources.gpus=0.25
#
# All words after the script's name go to launch/study.py. Options before it overrule those below. When the time is over
# or the job is preempted, the study stops at its last checkpoints and the job goes back into the queue; the same command
# then continues it.

#SBATCH --job-name=glifr-study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
# --exclusive: `ray symmetric-run` refuses a node where another Ray runs, and ends with `ray stop`, which would end every
# Ray of yours on that node. A job of one node starts no such cluster and may share its node: add --exclusive=user.

set -euo pipefail

python=${GLIFR_PYTHON:-.venv/bin/python}
driver="${TMPDIR:-/tmp}/glifr-$SLURM_JOB_ID.pid"
requeue=no

leave() { # first $1: whether to go back into the queue
    requeue=$1
    if [[ -s $driver ]]; then kill -USR1 "$(<"$driver")" || true; fi
}
trap 'leave yes' USR1 # from --signal: two minutes are left
trap 'leave no' TERM  # preempted (Slurm itself requeues) or cancelled
trap 'rm -f "$driver"' EXIT

# The driver runs on the first node, beside this script, and leaves its process id where the traps find it.
# shellcheck disable=SC2016 # the inner shell expands
study=(bash -c 'echo $$ >"$0"; exec "$@"' "$driver" "$python" launch/study.py "$@")

if [[ $SLURM_JOB_NUM_NODES == 1 ]]; then
    srun "${study[@]}" &
else
    token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token} # a home that all nodes share; else set RAY_AUTH_TOKEN_PATH
    if [[ ! -s $token ]]; then
        (umask 077 && mkdir -p "$(dirname "$token")" && "$python" -c 'import secrets; print(secrets.token_hex(32), end="")' >"$token")
    fi
    read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
    address="$head:$((20000 + SLURM_JOB_ID % 20000))" # a port and a folder of this job's own
    export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token RAY_TMPDIR="/tmp/ray-$SLURM_JOB_ID" RAY_ADDRESS=$address
    export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
    srun "$(dirname "$python")/ray" symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" \
        --num-cpus="$SLURM_CPUS_PER_TASK" --min-worker-port=0 --max-worker-port=0 \
        -- "${study[@]}" --address "$address" &
fi
step=$!

status=0
wait "$step" || status=$?
while kill -0 "$step" 2>/dev/null; do # a signal has ended `wait`, not the step
    status=0
    wait "$step" || status=$?
done

if [[ $requeue == yes && $status != 0 ]]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
