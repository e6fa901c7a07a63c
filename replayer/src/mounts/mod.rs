//! The mounts of this machine or container on which a tool's files could lie, and what each of them
//! is.
//!
//! [`classify`] is a pure function from the text of `/proc/self/mountinfo` to a list of candidates:
//! it tells the container's root file system, image layers, bind mounts (of the machine itself, or
//! of a host beyond a virtual machine), volumes and tmpfs apart, and names the product that a mount
//! points to. [`survey`] reads the text of this machine and asks each mount whether it can be
//! written to and how much room it has.
//!
//! The rules come from the mount tables of the products themselves; each has its sample among the
//! tests.

mod classify;
mod probe;
mod product;
mod table;

#[cfg(test)]
mod tests;

pub use classify::classify;
pub use probe::{Probed, Survey, SurveyError, in_container, survey};
pub use product::Product;
pub use table::{Line, parse};

/// What a mount is, as far as its line in the mount table tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// The root file system of a container: the image with a writable layer above it.
    ContainerRoot {
        /// Lower layers of the overlay (the image); `None` where it is no overlay or doesn't list
        /// them.
        image_layers: Option<u32>,
    },
    /// Layers of an image without a writable one above them (an image mounted as a volume, a
    /// compressed image).
    ImageLayer,
    /// A directory of the machine that the containers run on, without anything between.
    NativeBind,
    /// A directory of a host outside the virtual machine that the containers run in.
    HostShare {
        /// How it gets there.
        transport: Transport,
    },
    /// A volume of the container engine.
    Volume {
        /// Its name; `None` for volumes with options of their own (`o=bind`, `type=tmpfs`), whose
        /// mounts don't tell.
        name: Option<String>,
    },
    /// A file system in memory.
    Tmpfs,
    /// Anything else: a disk of a machine that is no container, a network file system, FUSE.
    Other,
}

/// How the files of a host get into a virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// virtiofs, also below Docker Desktop's `fakeowner`.
    Virtiofs,
    /// Docker Desktop's gRPC FUSE.
    GrpcFuse,
    /// Docker Desktop's older osxfs.
    Osxfs,
    /// 9P, over virtio or Hyper-V sockets (`drvfs`).
    NineP,
    /// FUSE over SSH.
    Sshfs,
    /// The shared folders of VirtualBox, VMware or Parallels.
    SharedFolder,
}

impl Transport {
    /// The name that results have for it.
    pub fn key(self) -> &'static str {
        match self {
            Transport::Virtiofs => "virtiofs",
            Transport::GrpcFuse => "grpc-fuse",
            Transport::Osxfs => "osxfs",
            Transport::NineP => "9p",
            Transport::Sshfs => "sshfs",
            Transport::SharedFolder => "shared-folder",
        }
    }

    /// The name that users know it by.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Virtiofs => "virtiofs",
            Transport::GrpcFuse => "gRPC FUSE",
            Transport::Osxfs => "osxfs",
            Transport::NineP => "9P",
            Transport::Sshfs => "sshfs",
            Transport::SharedFolder => "shared folder",
        }
    }
}

impl Class {
    /// What it is called in front of users.
    pub fn title(&self) -> String {
        match self {
            Class::ContainerRoot { .. } => "container root".into(),
            Class::ImageLayer => "image layer".into(),
            Class::NativeBind => "bind mount".into(),
            Class::HostShare { transport } => format!("bind mount ({})", transport.name()),
            Class::Volume { name: Some(name) } => format!("volume {name}"),
            Class::Volume { name: None } => "volume".into(),
            Class::Tmpfs => "tmpfs".into(),
            Class::Other => "other".into(),
        }
    }
}

/// A mount on which files can lie, visible where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its line in the mount table.
    pub line: Line,
    /// What it is.
    pub class: Class,
    /// The product that it points to, where that can be told.
    pub product: Option<Product>,
    /// Whether neither the mount nor its file system is read-only.
    pub read_write: bool,
    /// Directories on this mount to try for a test, the best first; empty for a read-only mount.
    pub directories: Vec<Vec<u8>>,
    /// What else a user should know, if anything.
    pub note: Option<&'static str>,
}
