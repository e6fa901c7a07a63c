//! The result of `fsreplay mounts`.

use serde::{Deserialize, Serialize};

/// The mounts on which a tool's files could lie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Mounts {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Whether this is a container.
    pub container: bool,
    /// In the order of the mount table.
    pub mounts: Vec<Mount>,
}

/// A mount that files can lie on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Mount {
    /// Where it is mounted.
    pub mount_point: String,
    /// `container-root`, `image-layer`, `native-bind`, `host-share`, `volume`, `tmpfs` or `other`.
    pub class: String,
    /// Name of a volume; null where its mount doesn't tell.
    pub volume: Option<String>,
    /// How a host's files get here: `virtiofs`, `grpc-fuse`, `osxfs`, `9p`, `sshfs`,
    /// `shared-folder`.
    pub transport: Option<String>,
    /// Lower layers of the root's overlay.
    pub image_layers: Option<u32>,
    /// What it points to: `docker-engine`, `docker-desktop-mac` and so on.
    pub product: Option<String>,
    /// Type of its file system.
    pub fs_type: String,
    /// What is mounted.
    pub source: String,
    /// The directory of that file system which is mounted.
    pub root: String,
    /// Its options.
    pub options: String,
    /// Whether the mount or its file system is read-only.
    pub read_only: bool,
    /// A directory on it in which this user may make files, for a test; null where there is none.
    pub suggested_directory: Option<String>,
    /// Bytes that this user may still use; null where it is not known or not limited.
    pub free_bytes: Option<u64>,
    /// Of so many.
    pub total_bytes: Option<u64>,
    /// Files that this user may still make; null where it is not known or not limited.
    pub free_inodes: Option<u64>,
    /// Whether names that differ in case only are one name there; null where its names don't tell.
    pub folds_case: Option<bool>,
    /// What else is worth knowing, for people.
    pub note: Option<String>,
}
