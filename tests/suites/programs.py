"""What programs each suite has, and how they are built. Runs compilers; runs no test."""

import glob
import os
import platform
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

# LTP's directories about file systems. Those that set the machine's clock, end it or swap are not
# among them.
LTP_DIRECTORIES = """
access chdir chmod chown chroot close close_range copy_file_range creat dup dup2 dup3 execl execle
execlp execv execve execveat execvp faccessat faccessat2 fadvise fallocate fanotify fchdir fchmod
fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr file_attr flistxattr flock fpathconf
fremovexattr fsconfig fsetxattr fsmount fsopen fspick fstat fstatat fstatfs fsync ftruncate
futimesat getcwd getdents getxattr inotify inotify_init ioctl lchown lgetxattr link linkat
listmount listxattr llistxattr llseek lremovexattr lseek lstat memfd_create mkdir mkdirat mknod
mknodat mmap mount mount_setattr move_mount mremap msync munmap name_to_handle_at nftw open
open_by_handle_at open_tree openat openat2 pathconf pivot_root pread preadv preadv2 pwrite pwritev
pwritev2 read readahead readdir readlink readlinkat readv realpath removexattr rename renameat
renameat2 rmdir sendfile setfsgid setfsuid setxattr splice stat statfs statmount statvfs statx
symlink symlinkat sync sync_file_range syncfs tee truncate umask umount umount2 unlink unlinkat
unshare ustat utime utimensat utimes vmsplice write writev
""".split()

CPYTHON_MODULES = """
test_bz2 test_compileall test_dbm test_fcntl test_fileio test_genericpath test_glob test_gzip
test_largefile test_mailbox test_mmap test_ntpath test_os test_pathlib test_posix test_posixpath
test_shelve test_shutil test_sqlite3 test_tarfile test_tempfile test_zipapp test_zipfile
test_zipimport
""".split()

# rr's programs that set the machine's clock or its process accounting.
RR_LEFT_OUT = {"acct", "adjtimex", "clock_adjtime", "settimeofday"}


@dataclass(frozen=True)
class Program:
    """One program of a suite: a command line, and what to add to its environment."""

    suite: str
    name: str
    command: tuple
    path: str = ""
    # What its output says where it failed although its status is 0.
    failed: str = ""


def nproc():
    return len(os.sched_getaffinity(0))


def quiet(command, cwd):
    """Runs a step of a build; whether it ended well."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0


def rr(sources, work, _args, wanted):
    """rr's test programs, one a C file, in WORK/rr."""
    source, made = os.path.join(sources, "rr"), os.path.join(work, "rr")
    if not os.path.isdir(source):
        return [], None
    os.makedirs(made, exist_ok=True)
    for name in ("X86", "X64", "Generic"):
        generated = os.path.join(made, f"SyscallEnumsForTests{name}.generated")
        quiet([os.path.join(source, "src/generate_syscalls.py"), generated], source)
    folders = ["", "x86" if platform.machine() == "x86_64" else "arm"]
    files = [
        path
        for folder in folders
        for path in sorted(glob.glob(os.path.join(source, "src/test", folder, "*.c")))
        if os.path.basename(path)[:-2] not in RR_LEFT_OUT
        and wanted("rr", os.path.basename(path)[:-2])
    ]

    def build(path):
        target = os.path.join(made, os.path.basename(path)[:-2])
        flags = ["-D_FILE_OFFSET_BITS=64", "-pthread", "-std=gnu11", "-g", "-O0", "-w"]
        parts = ("include", "src/preload", "src/test")
        include = [f"-I{made}", *(f"-I{source}/{part}" for part in parts)]
        command = ["cc", *flags, *include, path, "-o", target, "-lrt", "-ldl"]
        return target if os.path.exists(target) or quiet(command, made) else None

    with ThreadPoolExecutor(max_workers=nproc()) as pool:
        built = [target for target in pool.map(build, files) if target]
    return (
        [Program("rr", os.path.basename(target), (target,), made) for target in built],
        len(files) - len(built),
    )


def pjdfstest(sources, _work, _args, wanted):
    """pjdfstest's scripts; its one program is built in its checkout."""
    source = os.path.join(sources, "pjdfstest")
    if not os.path.isdir(source):
        return [], None
    tests = sorted(glob.glob(os.path.join(source, "tests/**/*.t"), recursive=True))
    if not os.path.exists(os.path.join(source, "pjdfstest")):
        steps = (["autoreconf", "-ifs"], ["./configure"], ["make", "pjdfstest"])
        if not all(quiet(step, source) for step in steps):
            return [], len(tests)
    top = os.path.join(source, "tests")
    named = ((os.path.relpath(test, top)[:-2], test) for test in tests)
    return [
        Program("pjdfstest", name, ("bash", test), "", r"(?m)^not ok(?!.*# TODO)")
        for name, test in named
        if wanted("pjdfstest", name)
    ], 0


def ltp(sources, _work, _args, wanted):
    """LTP's programs with the arguments of runtest/syscalls, built in its checkout."""
    source = os.path.join(sources, "ltp")
    calls = os.path.join(source, "testcases/kernel/syscalls")
    if not os.path.isdir(source):
        return [], None
    if not os.path.exists(os.path.join(source, "include/config.h")):
        if not (quiet(["make", "autotools"], source) and quiet(["./configure"], source)):
            return [], None
    for directory in (os.path.join(calls, name) for name in LTP_DIRECTORIES):
        # A directory that was built once is not looked at again.
        files = glob.glob(os.path.join(directory, "*"))
        if not any(os.path.isfile(path) and os.access(path, os.X_OK) for path in files):
            quiet(["make", "-k", f"-j{nproc()}", "-C", directory], source)
    where = {
        os.path.basename(path): path
        for directory in LTP_DIRECTORIES
        for path in glob.glob(os.path.join(calls, directory, "**"), recursive=True)
    }
    found, unbuilt = [], 0
    with open(os.path.join(source, "runtest/syscalls"), encoding="utf-8") as lines:
        rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    for name, program, *rest in (row for row in rows if wanted("ltp", row[0])):
        path = where.get(program)
        if path and os.path.isfile(path) and os.access(path, os.X_OK):
            command = (path, *rest)
            found.append(Program("ltp", name, command, os.path.dirname(path)))
        else:
            unbuilt += re.sub(r"[0-9_].*$", "", program) in LTP_DIRECTORIES
    return found, unbuilt


def cpython(_sources, _work, args, wanted):
    """The test modules of the installed CPython that are there."""
    found = []
    modules = [module for module in CPYTHON_MODULES if wanted("cpython", module)]
    for module in modules:
        look = f"import importlib.util as u, sys; sys.exit(not u.find_spec('test.{module}'))"
        if quiet([args.python, "-c", look], "/"):
            # Its own directory of work would have the process's id in its name.
            command = (args.python, "-m", "test", "--tempdir", ".", module)
            found.append(Program("cpython", module, command))
    return found, len(modules) - len(found)


# Each builds what it can of what is wanted, told by suite and name, and returns the programs with
# how many it could not build (None: there is no checkout).
SUITES = {"rr": rr, "pjdfstest": pjdfstest, "ltp": ltp, "cpython": cpython}
