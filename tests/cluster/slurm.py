#!/usr/bin/env python3
"""packaging/slurm on a real Slurm: a controller and two daemons on this machine, all recordings of shared/data/fsdd in an array of
8 tasks, of which one is killed in the middle and requeued. Every item must be made once, with the bytes of a single call.

Needs slurm-wlm and munge (make setup FOR=slurm). usage: slurm.py COMMAND RECORDINGS
"""
import contextlib
import getpass
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TASKS = 8
CONFIG = """\
ClusterName=sibyl
SlurmctldHost={host}
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=600
NodeName=one NodeHostname={host} Port={first} CPUs=2 State=UNKNOWN
NodeName=two NodeHostname={host} Port={second} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(n):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("", 0))
        return [s.getsockname()[1] for s in sockets]


def until(what, holds, seconds=120):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s for {what}")
        time.sleep(0.05)


@contextlib.contextmanager
def slurm(folder):
    """A controller and two daemons, which end with the block."""
    port, first, second = free_ports(3)
    folder.chmod(0o755)  # which munge asks for
    (folder / "state").mkdir()
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(folder=folder, host=socket.gethostname().split(".")[0], user=getpass.getuser(), port=port, first=first,
                                    second=second))
    os.environ["SLURM_CONF"] = str(config)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    munge = [f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("socket", "key-file", "pid-file", "log-file", "seed-file")]
    started = []
    try:
        for command in (["munged", "-F", "-f", *munge], ["slurmctld", "-D"], ["slurmd", "-D", "-N", "one"], ["slurmd", "-D", "-N", "two"]):
            started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT))
            time.sleep(0.5)
        until("two nodes", lambda: asked("sinfo", "-h", "-N", "-o", "%t").split() == ["idle", "idle"])
        yield
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


def asked(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "manifest" not in p.name}


def records(folder):
    return [json.loads(line) for path in folder.glob("manifest-*.jsonl") for line in path.read_text().splitlines()]


def state(job):
    return asked("squeue", "-h", "-j", job, "-t", "all", "-o", "%T").strip()


def array(folder, command, listed, size):
    """Runs the array and kills a task of it by the signal that nothing can catch, as a node that fails would."""
    os.environ.update(SIBYL=command, MANIFEST=str(listed), OUT=str(folder / "out"))
    template = ROOT / "packaging/slurm/sibyl-set.sbatch"
    submitted = asked("sbatch", "--parsable", f"--array=0-{TASKS - 1}", "--output", folder / "task-%a.log", template).strip()
    print(f"job {submitted}: {size} items, {TASKS} tasks")
    part = folder / f"out/manifest-00003-of-{TASKS:05}.jsonl.part"
    until("the task to be in its middle", lambda: part.exists() and part.read_text().count("\n") > size // TASKS // 4)
    subprocess.run(["scancel", "--signal=KILL", "--full", f"{submitted}_3"], check=True)
    killed = part.read_text().count("\n")
    until("the killed task to end", lambda: state(f"{submitted}_3") not in ("RUNNING", "COMPLETING"))
    print(f"task 3 was killed behind {killed} of its items: {state(f'{submitted}_3')}")
    subprocess.run(["scontrol", "requeue", f"{submitted}_3"], check=True)
    subprocess.run(["scontrol", "update", f"jobid={submitted}_3", "starttime=now"], check=True)  # in place of two minutes later
    until("all tasks", lambda: len(list((folder / "out").glob("manifest-*.jsonl"))) == TASKS, 300)
    until("the queue", lambda: not asked("squeue", "-h", "-j", submitted).strip(), 60)
    print(*(line for task in range(TASKS) for line in (folder / f"task-{task}.log").read_text().splitlines()), sep="\n")


def main(command, recordings):
    names = sorted(str(p) for p in pathlib.Path(recordings).glob("*.wav"))
    with tempfile.TemporaryDirectory(prefix="sibyl-slurm-") as name:
        folder = pathlib.Path(name)
        listed = folder / "list"
        listed.write_text("".join(f"{n}\n" for n in names))
        with slurm(folder):
            array(folder, command, listed, len(names))
        subprocess.run([command, "features", "--manifest", listed, "-o", folder / "single", "--shard", "0/1"], check=True)
        assert tree(folder / "out") == tree(folder / "single"), "the files differ"
        by_number = sorted(records(folder / "out"), key=lambda r: r["n"])
        assert by_number == records(folder / "single"), "the manifests differ"
        assert len(by_number) == len(names)
        print(f"every one of {len(names)} items once, with the bytes of a single call")


if __name__ == "__main__":
    main(*(os.path.abspath(p) for p in sys.argv[1:3]))
