#!/usr/bin/env python3
"""A file system in memory that fails as it is told: fuse.py MOUNTPOINT [RULE...]

RULE is OPERATION:COUNT=WHAT. After COUNT calls of the operation (`any`: of all) went well, WHAT
happens at each one: the name of an error (EIO), `die` (the server ends, the mount stays), or
`hang` (no answer). Speaks the kernel's protocol itself (linux/fuse.h), needs root and no library.
It tells that it is mounted, and each time that it hangs, by a line on standard output. It
does as it should after SIGUSR1, and ends when it is unmounted.
"""
import ctypes
import errno
import os
import signal
import stat
import struct
import sys
import time

OPERATIONS = {
    1: "lookup", 3: "getattr", 4: "setattr", 5: "readlink", 6: "symlink", 8: "mknod", 9: "mkdir",
    10: "unlink", 11: "rmdir", 12: "rename", 13: "link", 14: "open", 15: "read", 16: "write",
    17: "statfs", 18: "release", 20: "fsync", 25: "flush", 26: "init", 27: "opendir",
    28: "readdir", 29: "release", 30: "fsync", 35: "create", 45: "rename2",
}
UNANSWERED = {2, 36, 42}  # forget, interrupt, batch forget
HEADER = struct.Struct("<IIQQIIII")
MODE, UID, GID, SIZE, MTIME, MTIME_NOW = 1, 2, 4, 8, 32, 256


class Node:
    def __init__(self, mode, uid, gid, rdev=0):
        self.mode, self.uid, self.gid, self.rdev = mode, uid, gid, rdev
        self.links = 2 if stat.S_ISDIR(mode) else 1
        self.mtime = time.time()
        self.names = {}
        self.data = bytearray()


class Failure(Exception):
    pass


def fail(number):
    raise Failure(number)


class Server:
    def __init__(self, rules):
        self.nodes = {1: Node(stat.S_IFDIR | 0o755, 0, 0)}
        self.rules = rules

    def attributes(self, number):
        node = self.nodes[number]
        size, seconds = len(node.data), int(node.mtime)
        return struct.pack(
            "<QQQQQQIIIIIIIIII", number, size, (size + 511) // 512, seconds, seconds, seconds,
            0, 0, 0, node.mode, node.links, node.uid, node.gid, node.rdev, 4096, 0)

    def entry(self, number):
        # Nothing is cached, so that each call gets here.
        return struct.pack("<QQQQII", number, 0, 0, 0, 0, 0) + self.attributes(number)

    def make(self, parent, name, mode, rdev=0):
        names = self.nodes[parent].names
        if name in names:
            fail(errno.EEXIST)
        number = max(self.nodes) + 1
        self.nodes[number] = Node(mode, self.uid, self.gid, rdev)
        names[name] = number
        return number

    def child(self, parent, name):
        names = self.nodes[parent].names
        return names[name] if name in names else fail(errno.ENOENT)

    def lookup(self, node, body):
        return self.entry(self.child(node, body[:-1]))

    def getattr(self, node, body):
        return struct.pack("<QII", 0, 0, 0) + self.attributes(node)

    def setattr(self, number, body):
        valid, _, _, size, _, _, mtime, _, _, _, _, mode, _, uid, gid, _ = struct.unpack(
            "<IIQQQQQQIIIIIIII", body)
        node = self.nodes[number]
        if valid & MODE:
            node.mode = stat.S_IFMT(node.mode) | mode & 0o7777
        if valid & UID:
            node.uid = uid
        if valid & GID:
            node.gid = gid
        if valid & SIZE:
            node.data = node.data[:size].ljust(size, b"\0")
        if valid & MTIME:
            node.mtime = time.time() if valid & MTIME_NOW else mtime
        return self.getattr(number, body)

    def readlink(self, node, body):
        return bytes(self.nodes[node].data)

    def symlink(self, node, body):
        name, target = body.split(b"\0")[:2]
        number = self.make(node, name, stat.S_IFLNK | 0o777)
        self.nodes[number].data = bytearray(target)
        return self.entry(number)

    def mknod(self, node, body):
        mode, rdev = struct.unpack_from("<II", body)
        return self.entry(self.make(node, body[16:-1], mode, rdev))

    def mkdir(self, node, body):
        mode, = struct.unpack_from("<I", body)
        return self.entry(self.make(node, body[8:-1], stat.S_IFDIR | mode & 0o7777))

    def unlink(self, node, body):
        self.nodes[self.child(node, body[:-1])].links -= 1
        del self.nodes[node].names[body[:-1]]

    def rmdir(self, node, body):
        if self.nodes[self.child(node, body[:-1])].names:
            fail(errno.ENOTEMPTY)
        del self.nodes[node].names[body[:-1]]

    def rename(self, node, body, start=8):
        parent, = struct.unpack_from("<Q", body)
        old, new = body[start:].split(b"\0")[:2]
        number = self.child(node, old)
        there = self.nodes[parent].names.get(new)
        if there is not None and self.nodes[there].names:
            fail(errno.ENOTEMPTY)
        del self.nodes[node].names[old]
        self.nodes[parent].names[new] = number

    def rename2(self, node, body):
        flags, = struct.unpack_from("<I", body, 8)
        if flags & ~1:
            fail(errno.EINVAL)
        parent, = struct.unpack_from("<Q", body)
        if flags and body[16:].split(b"\0")[1] in self.nodes[parent].names:
            fail(errno.EEXIST)
        self.rename(node, body, 16)

    def link(self, node, body):
        number, = struct.unpack_from("<Q", body)
        if body[8:-1] in self.nodes[node].names:
            fail(errno.EEXIST)
        self.nodes[node].names[body[8:-1]] = number
        self.nodes[number].links += 1
        return self.entry(number)

    def open(self, node, body):
        return struct.pack("<QII", 0, 0, 0)

    opendir = open

    def create(self, node, body):
        _, mode = struct.unpack_from("<II", body)
        number = self.make(node, body[16:-1], stat.S_IFREG | mode & 0o7777)
        return self.entry(number) + self.open(number, b"")

    def read(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        return bytes(self.nodes[node].data[offset:offset + size])

    def write(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        data = self.nodes[node].data
        data.extend(bytes(max(0, offset - len(data))))
        data[offset:offset + size] = body[40:40 + size]
        return struct.pack("<II", size, 0)

    def readdir(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        found = b""
        # By number, which is an entry's offset: entries may go while a directory is read.
        entries = sorted((number, name) for name, number in self.nodes[node].names.items())
        own = [(node, b"."), (node, b"..")]
        offsets = [-2, -1] + [number for number, _ in entries]
        for at, (number, name) in zip(offsets, own + entries):
            if at + 3 <= offset:
                continue
            kind = stat.S_IFMT(self.nodes[number].mode) >> 12
            one = struct.pack("<QQII", number, at + 3, len(name), kind) + name
            one += bytes(-len(one) % 8)
            if len(found) + len(one) > size:
                break
            found += one
        return found

    def statfs(self, node, body):
        return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19,
                           4096, 255, 4096, 0)

    def init(self, node, body):
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 17, 0, 12, 9, 1 << 17, 1, 32, 0, 0)

    def nothing(self, node, body):
        return None

    release = flush = fsync = nothing

    def answer(self, opcode, node, body):
        name = OPERATIONS.get(opcode)
        if name is None:
            fail(errno.ENOSYS)
        for rule in list(self.rules):
            if rule[0] in (name, "any") and name != "init":
                rule[1] -= 1
                if rule[1] < 0:
                    self.strike(rule[2])
        return getattr(self, name)(node, body) or b""

    def strike(self, what):
        if what == "die":
            os._exit(0)
        if what == "hang":
            print("hangs", flush=True)
            fail(0)
        fail(getattr(errno, what))

    def serve(self, device):
        while True:
            try:
                request = os.read(device, (1 << 17) + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                return  # unmounted
            _, opcode, unique, node, self.uid, self.gid, _, _ = HEADER.unpack_from(request)
            if opcode in UNANSWERED:
                continue
            try:
                code, reply = 0, self.answer(opcode, node, request[HEADER.size:])
            except Failure as failure:
                code, reply = failure.args[0], b""
                if code == 0:
                    continue
            try:
                os.write(device, struct.pack("<IiQ", 16 + len(reply), -code, unique) + reply)
            except FileNotFoundError:
                pass  # who asked was killed


def parse(text):
    when, what = text.split("=")
    operation, count = when.split(":")
    return [operation, int(count), what]


def main():
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    libc = ctypes.CDLL(None, use_errno=True)
    point = os.fsencode(sys.argv[1])
    if libc.mount(b"faulty", point, b"fuse", 0, options.encode()) != 0:
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    server = Server([parse(text) for text in sys.argv[2:]])
    signal.signal(signal.SIGUSR1, lambda *_: server.rules.clear())
    print("mounted", flush=True)
    server.serve(device)


main()
