"""An initramfs as the kernel reads it: a cpio archive of the "newc" form (Documentation/driver-api/early-userspace/buffer-format.rst)."""
import os
import stat


class Archive:
    """Files and folders in memory; a folder above a file is made with it."""

    def __init__(self):
        self._parts = []
        self._paths = set()

    def add(self, path, data, mode=0o755):
        """A file at an absolute path. A second one of the same path is left out."""
        path = path.lstrip("/")
        if path not in self._paths:
            self._add_folder(os.path.dirname(path))
            self._entry(path, stat.S_IFREG | mode, data)

    def add_file(self, path, source):
        with open(source, "rb") as file:
            self.add(path, file.read())

    def _add_folder(self, path):
        if path and path not in self._paths:
            self._add_folder(os.path.dirname(path))
            self._entry(path, stat.S_IFDIR | 0o755, b"")

    def _entry(self, path, mode, data):
        self._paths.add(path)
        self._parts.append(entry(path, len(self._paths), mode, data))

    def bytes(self):
        return b"".join(self._parts) + entry("TRAILER!!!", 0, 0, b"")


def entry(path, inode, mode, data):
    """One member: a header of 8-digit hexadecimal fields, the name, the data, each padded to four bytes."""
    name = path.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(header + name) + padded(data)


def padded(data):
    return data + bytes(-len(data) % 4)
