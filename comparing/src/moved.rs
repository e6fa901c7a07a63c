//! Which recorded directories go to the targets.

use fsreplay_trace::model::{FileKind, Header, Mount, NodeId, Record};

use crate::error::Error;
use crate::options::Moved;
use crate::places;
use crate::source::Source;

/// From what the user asked for to recorded directories; `/` stands for everything.
///
/// # Errors
/// A trace that can't be opened, and directories that it doesn't have.
pub fn resolve(asked: &Moved, trace: &Source, header: &Header) -> Result<Vec<Vec<u8>>, Error> {
    match asked {
        Moved::All => Ok(vec![b"/".to_vec()]),
        Moved::Workspace => Ok(vec![workspace(trace, header)?]),
        Moved::Directories(paths) => {
            let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
            places::recorded(&paths, trace)
        }
    }
}

/// The mount that the working directory lay on, where it is not the root; else the repository that
/// it lay in; else itself.
fn workspace(trace: &Source, header: &Header) -> Result<Vec<u8>, Error> {
    if let Some(mount) = mount_of(&header.mounts, &header.cwd)
        && mount.mount_point != b"/"
        && !is_common(&mount.mount_point)
    {
        return Ok(mount.mount_point.clone());
    }
    let mut reader = trace.reader()?;
    let mut around: Option<Vec<u8>> = None;
    loop {
        let found = match reader.next_record() {
            Ok(Some(Record::PathState(state))) if state.kind != FileKind::Absent => state.node,
            Ok(Some(_)) => continue,
            Ok(None) | Err(_) => break, // planning tells what is wrong with it
        };
        let tables = reader.tables();
        if found != NodeId::ROOT && tables.name(found) == b".git" {
            let path = tables.path(tables.parent(found));
            let best = around.as_ref().map_or(0, Vec::len);
            if path.len() >= best && holds(&path, &header.cwd) {
                around = Some(path);
            }
        }
    }
    Ok(around.unwrap_or_else(|| header.cwd.clone()))
}

/// Mounts that hold more than one workspace.
fn is_common(mount_point: &[u8]) -> bool {
    matches!(
        mount_point,
        b"/tmp" | b"/var" | b"/var/tmp" | b"/home" | b"/root" | b"/dev/shm"
    )
}

fn holds(directory: &[u8], path: &[u8]) -> bool {
    directory == b"/"
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// The mount that a recorded path lay on: the longest mount point, the last of several at one
/// place.
pub fn mount_of<'m>(mounts: &'m [Mount], path: &[u8]) -> Option<&'m Mount> {
    let above = mounts
        .iter()
        .filter(|mount| holds(&mount.mount_point, path));
    above.max_by_key(|mount| mount.mount_point.len())
}

/// The recorded mounts below a directory, of several at one place the last.
pub fn mounts_in<'m>(mounts: &'m [Mount], directory: &[u8]) -> Vec<&'m Mount> {
    let mut inside: Vec<&Mount> = Vec::new();
    for mount in mounts {
        if mount.mount_point != directory && holds(directory, &mount.mount_point) {
            inside.retain(|other| other.mount_point != mount.mount_point);
            inside.push(mount);
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str) -> Mount {
        Mount {
            mount_point: point.into(),
            ..Mount::default()
        }
    }

    #[test]
    fn the_longest_mount_point_counts_and_names_end_at_slashes() {
        let mounts = [mount("/"), mount("/work"), mount("/work/deep")];
        let of = |path: &str| mount_of(&mounts, path.as_bytes()).map(|m| m.mount_point.clone());
        assert_eq!(of("/work/a").as_deref(), Some(&b"/work"[..]));
        assert_eq!(of("/work/deep").as_deref(), Some(&b"/work/deep"[..]));
        assert_eq!(of("/workshop").as_deref(), Some(&b"/"[..]));
    }

    #[test]
    fn mounts_in_a_directory_are_those_below_it() {
        let mounts = ["/", "/w", "/w/deps", "/w/deps/x", "/work"].map(mount);
        let of = |path: &str| -> Vec<Vec<u8>> {
            let inside = mounts_in(&mounts, path.as_bytes()).into_iter();
            inside.map(|mount| mount.mount_point.clone()).collect()
        };
        assert_eq!(of("/w"), [&b"/w/deps"[..], b"/w/deps/x"]);
        assert_eq!(of("/").len(), 4);
        assert!(of("/none").is_empty());
        let twice = [
            mount("/w/a"),
            Mount {
                id: 7,
                ..mount("/w/a")
            },
        ];
        let ids: Vec<u32> = mounts_in(&twice, b"/w").iter().map(|m| m.id).collect();
        assert_eq!(ids, [7]);
    }
}
