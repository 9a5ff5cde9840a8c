"""What kind of network a path is on, as far as the system tells without asking the network.

Linux has a table in `/proc/self/mountinfo`, macOS says the same with `mount`, Windows knows its drives. Where nothing
is known, a path is taken for local.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = frozenset(
    {
        *("9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "webdav", "wekafs"),
    }
)
"""File systems, and all of FUSE, that cannot share the memory which a write-ahead log needs."""

REMOTE_DRIVE = 4
"""`DRIVE_REMOTE` of Windows."""

_MACOS = re.compile(r"^.* on (?P<at>/.*) \((?P<kind>[^,)]+)[^()]*\)$")


def network(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of network file system that this absolute path is on; none for a local one, or an unknown one."""
    try:
        table = mounts.read_text(errors="surrogateescape")
    except OSError:
        return _elsewhere(path)
    return kind_at(path, linux(table))


def kind_at(path: PurePath, table: Iterable[tuple[str, str]]) -> str | None:
    """The same, by a table of where what kind of file system is mounted; of two at one place, the later is seen."""
    found, kind = PurePath("/"), ""
    for at, mounted in table:
        place = PurePath(at)
        if path.is_relative_to(place) and place.is_relative_to(found):
            found, kind = place, mounted
    return kind if kind in NETWORK or re.fullmatch(r"(?:mac|os)?fuse(?:\..*)?", kind) else None


def linux(table: str) -> list[tuple[str, str]]:
    """`/proc/self/mountinfo`: where, and what, with characters in octal."""
    found = []
    for line in table.splitlines():
        fields, _, rest = line.partition(" - ")
        at = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields.split()[4])
        found.append((at, rest.split()[0]))
    return found


def macos(said: str) -> list[tuple[str, str]]:
    """What `mount` says: `//jo@host/share on /Volumes/share (smbfs, nodev, nosuid, mounted by jo)`."""
    return [(match["at"], match["kind"]) for line in said.splitlines() if (match := _MACOS.match(line))]


def _elsewhere(path: Path) -> str | None:
    if sys.platform == "darwin":
        try:
            said = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            return None
        return kind_at(path, macos(said))
    if sys.platform == "win32":
        import ctypes

        share = path.drive.startswith("\\\\") and not path.drive.startswith("\\\\?\\")
        if share or ctypes.windll.kernel32.GetDriveTypeW(path.anchor) == REMOTE_DRIVE:
            return "a share"
    return None
