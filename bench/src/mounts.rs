//! Mounts to compare, made for a measurement and removed after it. Needs root.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mount under test.
pub struct Mount {
    /// Its name in tables.
    pub name: String,
    /// An empty directory on it.
    pub dir: PathBuf,
}

/// All mounts of a measurement; unmounted when dropped.
pub struct Mounts {
    /// Those that could be made; the first is the one that is recorded on.
    pub all: Vec<Mount>,
    mounted: Vec<PathBuf>,
    /// The directories are to be removed at the end.
    made: bool,
}

/// Those of them that are shares, whose attributes are cached for some time.
pub const SHARES: [&str; 3] = ["bindfs", "bindfs x 3", "sshfs"];

/// All of it at once: what is left for later, a thread of the kernel does while the first workloads
/// are measured.
const MKFS_EXT4: &[&str] = &[
    "mkfs.ext4",
    "-q",
    "-F",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0",
];
/// Bytes of each image of a file system.
const IMAGE: &str = "4G";

impl Mounts {
    /// Makes the named mounts (all if `only` is empty) below `dir`; those that this machine can't
    /// have are told and left out.
    pub fn make(dir: &Path, only: &[String]) -> io::Result<Mounts> {
        let mut mounts = Mounts {
            all: Vec::new(),
            mounted: Vec::new(),
            made: false,
        };
        type Maker = fn(&mut Mounts, &Path) -> io::Result<PathBuf>;
        let makers: [(&'static str, Maker); 8] = [
            ("ext4", |m, dir| m.image(dir, "ext4", MKFS_EXT4)),
            ("xfs", |m, dir| {
                m.image(dir, "xfs", &["mkfs.xfs", "-q", "-f"])
            }),
            ("btrfs", |m, dir| {
                m.image(dir, "btrfs", &["mkfs.btrfs", "-q", "-f"])
            }),
            ("tmpfs", |m, dir| {
                m.mount(dir, "tmpfs", &["mount", "-t", "tmpfs", "tmpfs"])
            }),
            ("overlay", Mounts::overlay),
            ("bindfs", |m, dir| m.bindfs(dir, "bindfs", 1)),
            ("bindfs x 3", |m, dir| m.bindfs(dir, "bindfs3", 3)),
            ("sshfs", Mounts::sshfs),
        ];
        for (name, make) in makers {
            if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
                continue;
            }
            match make(&mut mounts, dir) {
                Ok(dir) => mounts.all.push(Mount {
                    name: name.into(),
                    dir,
                }),
                Err(error) => eprintln!("fsreplay-bench: no {name} here: {error}"),
            }
        }
        Ok(mounts)
    }

    /// Directories of mounts that are there already; each gets a directory of its own.
    pub fn given(on: &[(String, PathBuf)]) -> io::Result<Mounts> {
        let own = |(name, dir): &(String, PathBuf)| -> io::Result<Mount> {
            let dir = dir.join(format!("fsreplay-bench-{}", std::process::id()));
            std::fs::create_dir_all(&dir)?;
            let name = name.clone();
            Ok(Mount { name, dir })
        };
        Ok(Mounts {
            all: on.iter().map(own).collect::<io::Result<_>>()?,
            mounted: Vec::new(),
            made: true,
        })
    }

    fn mount(&mut self, dir: &Path, name: &str, command: &[&str]) -> io::Result<PathBuf> {
        let point = dir.join(name);
        std::fs::create_dir_all(&point)?;
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::other("no command"));
        };
        run(Command::new(program).args(arguments).arg(&point))?;
        self.mounted.push(point.clone());
        let own = point.join("here");
        std::fs::create_dir(&own)?;
        Ok(own)
    }

    fn image(&mut self, dir: &Path, kind: &str, mkfs: &[&str]) -> io::Result<PathBuf> {
        let image = dir.join(format!("{kind}.img"));
        run(Command::new("truncate").args(["-s", IMAGE]).arg(&image))?;
        let (program, arguments) = (mkfs[0], &mkfs[1..]);
        run(Command::new(program).args(arguments).arg(&image))?;
        let image = image.to_string_lossy().into_owned();
        self.mount(dir, kind, &["mount", "-o", "loop", "-t", kind, &image])
    }

    /// As a container's root: both layers on an ext4 of its own.
    fn overlay(&mut self, dir: &Path) -> io::Result<PathBuf> {
        let ext4 = self.source(dir, "overlay")?;
        let part = |name: &str| -> io::Result<String> {
            let path = ext4.join(name);
            std::fs::create_dir(&path)?;
            Ok(path.to_string_lossy().into_owned())
        };
        let (lower, upper, work) = (part("lower")?, part("upper")?, part("work")?);
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        self.mount(
            dir,
            "overlay",
            &["mount", "-t", "overlay", "-o", &options, "overlay"],
        )
    }

    /// An ext4 of its own for what another mount passes on. The machine's own disk won't do: on
    /// some, making a file there takes 20 times as long.
    fn source(&mut self, dir: &Path, name: &str) -> io::Result<PathBuf> {
        let base = dir.join(format!("{name}-source"));
        std::fs::create_dir_all(&base)?;
        self.image(&base, "ext4", MKFS_EXT4)
    }

    /// A FUSE pass-through on ext4, or a pile of them.
    fn bindfs(&mut self, dir: &Path, name: &str, layers: usize) -> io::Result<PathBuf> {
        let mut below = self.source(dir, name)?;
        for layer in 0..layers {
            let source = below.to_string_lossy().into_owned();
            below = self.mount(dir, &format!("{name}-{layer}"), &["bindfs", &source])?;
        }
        Ok(below)
    }

    /// A server for files on this machine, through its protocol.
    fn sshfs(&mut self, dir: &Path) -> io::Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let source = self.source(dir, "sshfs")?;
        let server = dir.join("sftp");
        std::fs::write(&server, "#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n")?;
        std::fs::set_permissions(&server, std::fs::Permissions::from_mode(0o755))?;
        let command = format!("ssh_command={}", server.display());
        let remote = format!("here:{}", source.display());
        self.mount(
            dir,
            "sshfs",
            &["sshfs", "-o", &command, "-o", "dcache_timeout=1", &remote],
        )
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for mount in self.all.iter().filter(|_| self.made) {
            if let Err(error) = std::fs::remove_dir_all(&mount.dir) {
                eprintln!("fsreplay-bench: {}: {error}", mount.dir.display());
            }
        }
        for point in self.mounted.iter().rev() {
            if let Err(error) = run(Command::new("umount").arg(point)) {
                eprintln!("fsreplay-bench: {} stays mounted: {error}", point.display());
            }
        }
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}: {status}")))
}
