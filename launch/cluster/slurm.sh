#!/usr/bin/env bash
# One study on the nodes of a Slurm job. From the project's folder, after `make setup` on a file system that all nodes see:
#
#   sbatch --nodes=4 --gpus-per-node=4 launch/cluster/slurm.sh studies/smnist_ablation.yaml --set resources.gpus=0.25
#
# All words after the script's name go to launch/study.py. Options before it overrule those below. When the time is over
# or the job is preempted, the study stops at its last checkpoints and the job goes back into the queue; the same command
# then continues it. What a site needs beside options (modules, proxies) stands in launch/cluster/site.sh, which is
# sourced where it exists.

#SBATCH --job-name=glifr-study
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@180
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out

set -euo pipefail

python=${GLIFR_PYTHON:-.venv/bin/python}
stop_seconds=60 # for the study to stop; more than the 25 s after which it leaves by itself
end_seconds=5   # for the nodes' Ray to end
site=${GLIFR_SITE:-launch/cluster/site.sh}
# shellcheck disable=SC1090 # the site's own
if [[ -f $site ]]; then source "$site"; fi
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK # srun does not take it over from sbatch
study=("$python" launch/study.py "$@")

requeue=no
step='' cluster='' overdue=''
kill_steps() { # not the job: that would cancel it for good
    for id in $(squeue --noheader --steps --jobs="$SLURM_JOB_ID" --format=%i); do
        if [[ $id == *.[0-9]* ]]; then scancel --signal=KILL "$id"; fi
    done
}
stop() { # first $1: whether to go back into the queue
    requeue=$1
    [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null || true # srun passes it on
    (sleep "$stop_seconds" && kill_steps) >/dev/null 2>&1 &
    overdue=$!
}
trap 'stop yes' USR1 # from --signal: three minutes are left
trap 'stop no' TERM  # preempted or cancelled

ends_within() { # process $1 within $2 seconds
    for ((n = 0; n < 10 * $2; n++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

if [[ $SLURM_JOB_NUM_NODES == 1 ]]; then
    srun "${study[@]}" &
else
    token=${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token} # a home that all nodes share; else set RAY_AUTH_TOKEN_PATH
    if [[ ! -s $token ]]; then
        (umask 077 && mkdir -p "$(dirname "$token")" && "$python" -c 'import secrets; print(secrets.token_hex(32), end="")' >"$token")
    fi
    # The address under which another node sees this one: its own name may mean 127.0.1.1 here.
    second=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 2p)
    head=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$second" printenv SLURM_LAUNCH_NODE_IPADDR) || head=
    if [[ -z $head || $head == 127.* ]]; then read -r head _ < <(hostname -I); fi
    port=$((20000 + SLURM_JOB_ID % 20000)) # a port and a folder of this job's own
    export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token RAY_TMPDIR=/tmp/ray-$SLURM_JOB_ID/r
    srun --overlap --kill-on-bad-exit=0 "$python" launch/cluster/node.py "$head" "$port" &
    cluster=$!
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$SLURMD_NODENAME" \
        "${study[@]}" --address "$head:$port" --wait-for-nodes "$SLURM_JOB_NUM_NODES" &
fi
step=$!

status=0
wait "$step" || status=$?
while kill -0 "$step" 2>/dev/null; do # a signal has ended `wait`, not the step
    status=0
    wait "$step" || status=$?
done

if [[ -n $overdue ]]; then kill "$overdue" 2>/dev/null || true; fi # it would outlive a requeue
if [[ -n $cluster ]]; then # its nodes would notice the driver's end after a minute only
    kill -USR2 "$cluster" 2>/dev/null || true
    ends_within "$cluster" "$end_seconds" || kill_steps || true
fi
# 0, 1 and 2 are ends of its own; else it was stopped. A job that ends within its preemption's grace would not come back.
if [[ $status -gt 2 ]]; then
    job=$(scontrol show job "$SLURM_JOB_ID")
    if [[ $job == *JobState=RUNNING* && ($requeue == yes || $job == *PreemptTime=[0-9]*) ]]; then
        scontrol requeue "$SLURM_JOB_ID"
    fi
fi
exit "$status"
