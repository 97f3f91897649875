# SPDX-License-Identifier: GPL-3.0-or-later
"""A root filesystem that is built from hostile entries, and can be written nowhere but inside itself.

Everything below the root was made here, so its shape is kept in memory too: symlinks are resolved there and never by the kernel, and each path that is
handed to the kernel (relative to the root's descriptor) has real directories before its last component.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ansible_collections.hyper.pods.plugins.module_utils._tar import Entry

_SYMLINK_LIMIT = 40  # as the kernel's
# The kernel's are 4095 and 255. mkfs.erofs puts the place of the tree in front of each path, and (1.5) cuts a name of 255 bytes.
_PATH_LIMIT = 3800
_NAME_LIMIT = 254
# Deep enough for any honest tree, and shallow enough for every tool that walks one by recursion (mkfs.erofs, rmtree).
_DEPTH_LIMIT = 256
_PAGE = 4096
_INODE = 1024
_XATTR_NAMESPACES = ("user.", "trusted.", "security.", "system.posix_acl_access", "system.posix_acl_default")
# Labels of the machine that built the image, and overlayfs's own notes: in the guest's overlay they would act, not be read.
_XATTR_IGNORED = ("security.selinux", "trusted.overlay.")


class Refused(ValueError):
    """The entry would leave the root, or makes no sense where it stands; the text says why."""


class OutOfBudget(Exception):
    """More bytes than the workspace may take."""


class XattrUnsupported(Exception):
    """The workspace's file system cannot hold an attribute of this kind."""


class Node:
    """One name in the tree. ``layer``: the number of the layer that set it last. ``entry``: a directory's metadata, written at the end."""

    __slots__ = ("children", "entry", "layer", "link")

    def __init__(self, layer: int, *, children: dict[bytes, Node] | None = None, link: bytes | None = None) -> None:
        self.layer = layer
        self.children = children
        self.link = link
        self.entry: Entry | None = None


class Rootfs:
    """The tree in the empty directory ``path``; ``budget`` bytes may be written."""

    def __init__(self, path: Path, budget: int) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._root = Node(-1, children={})
        self._left = budget
        self._last: tuple[Sequence[bytes] | None, tuple[Node, bytes]] = (None, (self._root, b""))

    def close(self) -> None:
        """Give back the root's descriptor."""
        os.close(self._fd)

    # Looking up

    def _directory(self, parts: Sequence[bytes], layer: int | None) -> tuple[Node, bytes] | None:
        """The directory that ``parts`` lead to, and its real path. Missing ones are made for ``layer``; None: they are not made, and None is returned."""
        if parts == self._last[0]:
            return self._last[1]
        trail = [(self._root, b"")]
        pending = list(reversed(parts))
        links = 0
        while pending:
            part = pending.pop()
            if part == b"..":
                trail.pop()
                if not trail:
                    raise Refused("a symlink on its path leads out of the root")
                continue
            parent, path = trail[-1]
            children = parent.children
            assert children is not None  # noqa: S101 - only directories are on the trail
            child = children.get(part)
            full = path + b"/" + part if path else part
            if child is None:
                if layer is None:
                    return None
                child = self._make_directory(parent, full, part, layer)
            if child.link is not None:
                links += 1
                if links > _SYMLINK_LIMIT:
                    raise Refused("too many symlinks on its path")
                if child.link.startswith(b"/"):
                    del trail[1:]
                pending.extend(reversed([item for item in child.link.split(b"/") if item not in (b"", b".")]))
                continue
            if child.children is None:
                if layer is None:
                    return None
                raise Refused(f"{os.fsdecode(full)} on its path is no directory")
            trail.append((child, full))
        self._last = (parts, trail[-1])
        return trail[-1]

    def _make_directory(self, parent: Node, full: bytes, name: bytes, layer: int) -> Node:
        self._spend(0)
        _check(full, name)
        os.mkdir(full, 0o700, dir_fd=self._fd)
        node = Node(layer, children={})
        self._children(parent)[name] = node
        return node

    @staticmethod
    def _children(node: Node) -> dict[bytes, Node]:
        assert node.children is not None  # noqa: S101 - callers hold a directory
        return node.children

    def _spend(self, size: int) -> None:
        self._left -= _INODE + (size + _PAGE - 1) // _PAGE * _PAGE
        if self._left < 0:
            raise OutOfBudget

    # Changing

    def add(self, entry: Entry, parts: Sequence[bytes], layer: int, copy: Callable[[int, Callable[[memoryview], object]], None]) -> None:
        """Put an entry in its place; what was there goes, but a directory that meets a directory keeps its content.

        copy: hands the next n bytes of the entry's data to a writer. Raises Refused, OutOfBudget, XattrUnsupported, OSError.
        """
        if not parts:
            if entry.kind != "dir":
                raise Refused("would replace the root itself")
            self._root.entry = entry
            return
        found = self._directory(parts[:-1], layer)
        assert found is not None  # noqa: S101 - missing directories were made
        parent, path = found
        name = parts[-1]
        full = path + b"/" + name if path else name
        _check(full, name)
        children = self._children(parent)
        old = children.get(name)
        if entry.kind == "dir":
            if old is not None and old.children is None:
                self._remove(children, name, full)
                old = None
            node = old or self._make_directory(parent, full, name, layer)
            node.entry, node.layer = entry, layer
            return
        if old is not None:
            self._remove(children, name, full)
        if entry.kind == "file":
            self._spend(entry.stored)
            self._write_file(entry, full, copy)
            children[name] = Node(layer)
        elif entry.kind == "link":
            children[name] = self._link(entry, full, layer)
        else:
            self._spend(0)
            self._make_special(entry, full)
            children[name] = Node(layer, link=entry.link if entry.kind == "symlink" else None)

    def remove_lower(self, parts: Sequence[bytes], layer: int) -> None:
        """A whiteout: what lower layers put at ``parts`` goes; what this layer puts there, before or after, stays."""
        found = self._directory(parts[:-1], None)
        if found is None:
            return
        parent, path = found
        children = self._children(parent)
        name = parts[-1]
        if name in children:
            self._prune(children, name, path + b"/" + name if path else name, layer)

    def empty_lower(self, parts: Sequence[bytes], layer: int) -> None:
        """An opaque directory: nothing of lower layers is left in it."""
        found = self._directory(parts, None)
        if found is None:
            return
        node, path = found
        for name in list(self._children(node)):
            self._prune(self._children(node), name, path + b"/" + name if path else name, layer)

    def _prune(self, siblings: dict[bytes, Node], name: bytes, full: bytes, layer: int) -> None:
        for holder, child, path in reversed(_below(siblings, name, full)):
            node = holder[child]
            if node.layer < layer and not node.children:
                self._unlink(holder, child, path)

    def _remove(self, siblings: dict[bytes, Node], name: bytes, full: bytes) -> None:
        for holder, child, path in reversed(_below(siblings, name, full)):
            self._unlink(holder, child, path)

    def _unlink(self, siblings: dict[bytes, Node], name: bytes, full: bytes) -> None:
        if siblings[name].children is None:
            os.unlink(full, dir_fd=self._fd)
        else:
            os.rmdir(full, dir_fd=self._fd)
        del siblings[name]
        self._last = (None, (self._root, b""))

    def _write_file(self, entry: Entry, full: bytes, copy: Callable[[int, Callable[[memoryview], object]], None]) -> None:
        # O_EXCL: whatever bore this name is gone, so no device, fifo or symlink of an earlier entry can be written through.
        handle = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        try:
            if entry.sparse is None:
                copy(entry.stored, lambda part: _write_all(handle, part))
            else:
                for offset, length in entry.sparse:
                    os.lseek(handle, offset, os.SEEK_SET)
                    copy(length, lambda part: _write_all(handle, part))
                os.ftruncate(handle, entry.size)
            if entry.uid or entry.gid:
                os.fchown(handle, entry.uid, entry.gid)
            # After chown, which clears setuid and file capabilities.
            os.fchmod(handle, entry.mode)
            if entry.xattrs:
                _set_xattrs(handle, entry.xattrs)
            os.utime(handle, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(handle)

    def _link(self, entry: Entry, full: bytes, layer: int) -> Node:
        parts = split(entry.link)
        found = self._directory(parts[:-1], None) if parts else None
        target = self._children(found[0]).get(parts[-1]) if found else None
        if found is None or target is None:
            raise Refused(f"is a hard link to {os.fsdecode(entry.link)}, which does not exist")
        if target.children is not None:
            raise Refused(f"is a hard link to the directory {os.fsdecode(entry.link)}")
        source = found[1] + b"/" + parts[-1] if found[1] else parts[-1]
        os.link(source, full, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        return Node(layer, link=target.link)

    def _make_special(self, entry: Entry, full: bytes) -> None:
        if entry.kind == "symlink":
            if not entry.link or len(entry.link) > _PATH_LIMIT:
                raise Refused("is a symlink to nowhere, or its target is too long")
            os.symlink(entry.link, full, dir_fd=self._fd)
        elif entry.kind == "fifo":
            os.mkfifo(full, 0o600, dir_fd=self._fd)
        else:
            major, minor = entry.device
            if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20):
                raise Refused(f"is a device with numbers out of range ({major}, {minor})")
            kind = stat.S_IFCHR if entry.kind == "char" else stat.S_IFBLK
            os.mknod(full, 0o600 | kind, os.makedev(major, minor), dir_fd=self._fd)
        os.chown(full, entry.uid, entry.gid, dir_fd=self._fd, follow_symlinks=False)
        if entry.kind != "symlink":
            # Not a symlink: made a moment ago in a directory that nobody else can enter.
            os.chmod(full, entry.mode, dir_fd=self._fd)
        if entry.xattrs:
            # There is no setxattrat before Linux 6.13; the descriptor's name in /proc leads to the same place.
            _set_xattrs(os.fsencode(f"/proc/self/fd/{self._fd}/") + full, entry.xattrs)
        os.utime(full, ns=(entry.mtime, entry.mtime), dir_fd=self._fd, follow_symlinks=False)

    def finish(self) -> None:
        """Give the directories their metadata: last, so that their times stay and none of them is in the way of its own content."""
        for path, node in self._directories():
            handle = os.open(path or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
            try:
                entry = node.entry
                if entry is None:
                    os.fchmod(handle, 0o755)
                    os.utime(handle, ns=(0, 0))
                    continue
                os.fchown(handle, entry.uid, entry.gid)
                os.fchmod(handle, entry.mode)
                _set_xattrs(handle, entry.xattrs)
                os.utime(handle, ns=(entry.mtime, entry.mtime))
            finally:
                os.close(handle)

    def _directories(self) -> Iterator[tuple[bytes, Node]]:
        pending: list[tuple[bytes, Node]] = [(b"", self._root)]
        while pending:
            path, node = pending.pop()
            yield path, node
            for name, child in self._children(node).items():
                if child.children is not None:
                    pending.append((path + b"/" + name if path else name, child))


def split(path: bytes) -> list[bytes]:
    """The components of an entry's name or hard link target; absolute paths and ``..`` are refused: no honest tool writes them into a layer."""
    if path.startswith(b"/"):
        raise Refused(f"the path {os.fsdecode(path)} is absolute")
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise Refused(f"the path {os.fsdecode(path)} has '..' in it")
    if not parts and not path:
        raise Refused("the path is empty")
    return parts


def _below(siblings: dict[bytes, Node], name: bytes, full: bytes) -> list[tuple[dict[bytes, Node], bytes, bytes]]:
    """A name and everything below it, a directory before its content."""
    found = [(siblings, name, full)]
    for holder, child, path in found:
        children = holder[child].children
        if children:
            found.extend((children, item, path + b"/" + item) for item in children)
    return found


def _check(full: bytes, name: bytes) -> None:
    if len(full) > _PATH_LIMIT or len(name) > _NAME_LIMIT:
        raise Refused(f"its name is too long (at most {_NAME_LIMIT} bytes, {_PATH_LIMIT} with its directories)")
    if full.count(b"/") >= _DEPTH_LIMIT:
        raise Refused(f"it lies in more than {_DEPTH_LIMIT} directories")


def _write_all(handle: int, part: memoryview) -> None:
    while part:
        part = part[os.write(handle, part) :]


def _set_xattrs(target: int | bytes, xattrs: dict[str, bytes]) -> None:
    for name, value in xattrs.items():
        # Other systems' namespaces cannot be stored on Linux at all.
        if name.startswith(_XATTR_IGNORED) or not name.startswith(_XATTR_NAMESPACES):
            continue
        try:
            os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                raise XattrUnsupported(name) from None
            raise
