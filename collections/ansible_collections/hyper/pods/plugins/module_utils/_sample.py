# SPDX-License-Identifier: GPL-3.0-or-later
"""What the containers of a pod use at one moment: the kernel's own texts as the guest sends them, and what they mean. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.hyper.pods.plugins.module_utils import _tags as tag
from ansible_collections.hyper.pods.plugins.module_utils._fields import BYTES, FLAG, MESSAGE, NUMBER, Part, Record

# Of every architecture that guests have: USER_HZ, and the size of a page.
_TICKS = 100
_PAGE = 4096
_SECTOR = 512


@dataclass(frozen=True)
class File:
    """A file of the kernel's. container: whose cgroup it belongs to, "" for the pod's."""

    name: str
    text: str = ""
    container: str = ""


@dataclass(frozen=True)
class RawProcess:
    """A process of a container. stat: proc(5), /proc/PID/stat; command: the beginning of its cmdline."""

    pid: int
    container: str
    uid: int
    stat: str = ""
    command: bytes = b""


@dataclass(frozen=True)
class Sample:
    """All of them. continues: more processes follow these."""

    files: tuple[File, ...] = ()
    processes: tuple[RawProcess, ...] = ()
    continues: bool = False


_FILE = Record(
    File, Part(tag.SAMPLE_FILE_NAME, "name", MESSAGE), Part(tag.SAMPLE_FILE_TEXT, "text", MESSAGE), Part(tag.SAMPLE_FILE_CONTAINER, "container", MESSAGE)
)
_PROCESS = Record(
    RawProcess,
    Part(tag.SAMPLE_PROCESS_PID, "pid", NUMBER),
    Part(tag.SAMPLE_PROCESS_CONTAINER, "container", MESSAGE),
    Part(tag.SAMPLE_PROCESS_UID, "uid", NUMBER),
    Part(tag.SAMPLE_PROCESS_STAT, "stat", MESSAGE),
    Part(tag.SAMPLE_PROCESS_COMMAND, "command", BYTES),
)
SAMPLE = Record(
    Sample,
    Part(tag.SAMPLE_FILE, "files", _FILE.kind, many=True),
    Part(tag.SAMPLE_PROCESS, "processes", _PROCESS.kind, many=True),
    Part(tag.SAMPLE_CONTINUES, "continues", FLAG),
)


@dataclass(frozen=True)
class Process:
    """A process as ps(1) tells of it. state: proc(5)'s letter; cpu: seconds; memory: resident bytes; age: seconds since it was started."""

    container: str
    pid: int
    parent: int
    uid: int
    state: str
    threads: int
    cpu: float
    memory: int
    age: float
    command: str


@dataclass(frozen=True)
class Usage:
    """What a container uses. cpu: seconds in all; memory: bytes, of its cgroup where that is counted, else the resident memory of its processes."""

    container: str
    cpu: float
    memory: int
    processes: int


@dataclass(frozen=True)
class PodUsage:
    """What a pod uses. up: seconds since the guest was started; memory, memory_total: bytes; read, written, received, sent: bytes since then."""

    up: float
    memory: int
    memory_total: int
    read: int
    written: int
    received: int
    sent: int
    containers: tuple[Usage, ...]


def processes(sample: Sample) -> tuple[Process, ...]:
    """The processes of all containers, by their pids."""
    up = _uptime(sample)
    return tuple(process for raw in sample.processes for process in _process(raw, up))


def usage(sample: Sample, containers: tuple[str, ...]) -> PodUsage:
    """What the pod and each of ``containers`` use."""
    found = processes(sample)
    memory = _table(sample, "meminfo", ":")
    read, written = _disks(_text(sample, "diskstats"))
    received, sent = _interfaces(_text(sample, "net/dev"))
    total = _kib(memory.get("MemTotal", ""))
    return PodUsage(
        up=_uptime(sample),
        memory=max(0, total - _kib(memory.get("MemAvailable", ""))),
        memory_total=total,
        read=read,
        written=written,
        received=received,
        sent=sent,
        containers=tuple(_usage(sample, name, [process for process in found if process.container == name]) for name in containers),
    )


def cpu_percent(former: float, latter: float, seconds: float) -> float:
    """How much of one CPU was used between two samples, in percent: 200 are two whole CPUs."""
    return round(100 * max(0.0, latter - former) / seconds, 1) if seconds > 0 else 0.0


def _usage(sample: Sample, container: str, own: list[Process]) -> Usage:
    counted = _text(sample, "memory.current", container).strip()
    used = _table(sample, "cpu.stat", " ", container).get("usage_usec", "")
    return Usage(
        container,
        cpu=_number(used) / 1e6 if used else sum(process.cpu for process in own),
        memory=_number(counted) if counted else sum(process.memory for process in own),
        processes=sum(process.threads for process in own),
    )


def _process(raw: RawProcess, up: float) -> Iterator[Process]:
    # The name, in parentheses, may hold anything.
    head, _, rest = raw.stat.rpartition(")")
    words = rest.split()
    if len(words) < 22:
        return
    ticks = [_number(word) for word in (words[11], words[12], words[19])]
    command = " ".join(word.decode(errors="replace") for word in raw.command.rstrip(b"\0").split(b"\0"))
    yield Process(
        container=raw.container,
        pid=raw.pid,
        parent=_number(words[1]),
        uid=raw.uid,
        state=words[0],
        threads=_number(words[17]),
        cpu=(ticks[0] + ticks[1]) / _TICKS,
        memory=_number(words[21]) * _PAGE,
        age=max(0.0, up - ticks[2] / _TICKS),
        command=command or f"[{head.partition('(')[2]}]",
    )


def _text(sample: Sample, name: str, container: str = "") -> str:
    return next((file.text for file in sample.files if (file.name, file.container) == (name, container)), "")


def _table(sample: Sample, name: str, separator: str, container: str = "") -> dict[str, str]:
    pairs = (line.partition(separator) for line in _text(sample, name, container).splitlines())
    return {key: value.strip() for key, _, value in pairs}


def _uptime(sample: Sample) -> float:
    word = _text(sample, "uptime").partition(" ")[0]
    try:
        return float(word)
    except ValueError:
        return 0.0


def _disks(text: str) -> tuple[int, int]:
    """Bytes read and written, of all virtio disks (Documentation/admin-guide/iostats.rst of the kernel)."""
    rows = [words for words in (line.split() for line in text.splitlines()) if len(words) > 9 and words[2].startswith("vd")]
    return sum(_number(words[5]) for words in rows) * _SECTOR, sum(_number(words[9]) for words in rows) * _SECTOR


def _interfaces(text: str) -> tuple[int, int]:
    """Bytes received and sent, of all interfaces but the loopback."""
    rows = [(name.strip(), rest.split()) for name, colon, rest in (line.partition(":") for line in text.splitlines()) if colon]
    rows = [(name, words) for name, words in rows if name != "lo" and len(words) > 8]
    return sum(_number(words[0]) for _, words in rows), sum(_number(words[8]) for _, words in rows)


def _kib(text: str) -> int:
    return _number(text.partition(" ")[0]) * 1024


def _number(text: str) -> int:
    # The guest is not believed: what is no number counts for nothing.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
