//! Which product's virtual machine or engine a mount points to.

use super::Transport;
use super::table::Line;
use crate::below::is_below;

/// A product that mounts files into containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Docker Engine on Linux (also inside Colima's and Lima's virtual machines).
    DockerEngine,
    /// Docker Desktop on macOS.
    DockerDesktopMac,
    /// Docker Desktop on Windows.
    DockerDesktopWindows,
    /// OrbStack.
    OrbStack,
    /// Colima, or Lima itself.
    Lima,
    /// Podman in a virtual machine (`podman machine`).
    PodmanMachine,
    /// Podman.
    Podman,
    /// GitHub Codespaces.
    Codespaces,
    /// The Windows Subsystem for Linux.
    Wsl,
}

impl Product {
    /// The name that results have for it.
    pub fn key(self) -> &'static str {
        match self {
            Product::DockerEngine => "docker-engine",
            Product::DockerDesktopMac => "docker-desktop-mac",
            Product::DockerDesktopWindows => "docker-desktop-windows",
            Product::OrbStack => "orb-stack",
            Product::Lima => "lima",
            Product::PodmanMachine => "podman-machine",
            Product::Podman => "podman",
            Product::Codespaces => "codespaces",
            Product::Wsl => "wsl",
        }
    }

    /// The name that users know it by.
    pub fn name(self) -> &'static str {
        match self {
            Product::DockerEngine => "Docker Engine",
            Product::DockerDesktopMac => "Docker Desktop (macOS)",
            Product::DockerDesktopWindows => "Docker Desktop (Windows)",
            Product::OrbStack => "OrbStack",
            Product::Lima => "Colima or Lima",
            Product::PodmanMachine => "Podman machine",
            Product::Podman => "Podman",
            Product::Codespaces => "GitHub Codespaces",
            Product::Wsl => "WSL",
        }
    }
}

/// How a host's files get here, if that is what the mount shows.
pub(super) fn transport(line: &Line) -> Option<Transport> {
    match line.fs_type.as_str() {
        "virtiofs" | "fakeowner" => Some(Transport::Virtiofs),
        "9p" | "drvfs" => Some(Transport::NineP),
        "fuse.grpcfuse" => Some(Transport::GrpcFuse),
        "fuse.osxfs" => Some(Transport::Osxfs),
        "fuse.sshfs" => Some(Transport::Sshfs),
        "vboxsf" | "vmhgfs" | "fuse.vmhgfs-fuse" | "prl_fs" => Some(Transport::SharedFolder),
        _ => None,
    }
}

/// The product whose share of the host this is.
pub(super) fn of_share(line: &Line, container: bool) -> Option<Product> {
    let source = line.source.as_slice();
    match line.fs_type.as_str() {
        "fakeowner" | "fuse.grpcfuse" | "fuse.osxfs" => Some(Product::DockerDesktopMac),
        "virtiofs" if is_below(source, b"/run/host_mark") || is_numbered(source, b"virtiofs") => {
            Some(Product::DockerDesktopMac)
        }
        "virtiofs" if source == b"mac" => Some(Product::OrbStack),
        "virtiofs" if is_podman_tag(source) => Some(Product::PodmanMachine),
        "virtiofs" | "9p" if is_numbered(source, b"mount") => Some(Product::Lima),
        // Lima's sshfs goes through a connection that it made itself: the host's name is empty.
        "fuse.sshfs" if source.starts_with(b":/") => Some(Product::Lima),
        "9p" | "drvfs" if is_drive(line) => Some(if container {
            Product::DockerDesktopWindows
        } else {
            Product::Wsl
        }),
        _ => None,
    }
}

/// The product whose volume or own disk this is, by the place of it on that disk.
pub(super) fn of_disk(line: &Line) -> Option<Product> {
    let root = line.root.as_slice();
    let holds = |part: &[u8]| root.windows(part.len()).any(|window| window == part);
    if holds(b"/containers/storage/") {
        Some(Product::Podman)
    } else if is_below(root, b"/codespacemount") {
        Some(Product::Codespaces)
    } else if root.starts_with(b"/data/docker/volumes/") {
        Some(Product::DockerDesktopWindows)
    } else if root.starts_with(b"/docker/volumes/") && line.fs_type == "btrfs" {
        Some(Product::OrbStack)
    } else if root.starts_with(b"/docker/volumes/") && line.source == b"/dev/vda1" {
        Some(Product::DockerDesktopMac)
    } else if root.starts_with(b"/var/lib/docker/") {
        Some(Product::DockerEngine)
    } else {
        None
    }
}

/// `virtiofs0`, `mount12`.
fn is_numbered(source: &[u8], stem: &[u8]) -> bool {
    source
        .strip_prefix(stem)
        .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Podman names a share by the first 36 digits of the SHA-256 of its path.
fn is_podman_tag(source: &[u8]) -> bool {
    source.len() == 36
        && source
            .iter()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
}

/// A Windows drive: `C:\`, or the options that WSL mounts it with.
fn is_drive(line: &Line) -> bool {
    let drive = line.source.first().is_some_and(u8::is_ascii_alphabetic)
        && line.source.get(1) == Some(&b':');
    let named = |name: &str| name.split(';').any(|part| part == "drvfs");
    drive || line.source == b"drvfs" || line.super_option("aname").is_some_and(named)
}
