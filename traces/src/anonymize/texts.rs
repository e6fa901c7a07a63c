//! Paths, link texts, attributes and the like: names in them are replaced, what they mean is kept.

use super::known::{Section, is_known};
use super::names::Names;
use crate::format::TraceError;

/// What `/proc` puts behind the path of a file that is gone.
const DELETED: &[u8] = b" (deleted)";
/// Namespaces of extended attributes.
const NAMESPACES: [&[u8]; 4] = [b"user.", b"trusted.", b"security.", b"system."];

/// Where a name stands, as far as that decides what is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// In `/`.
    Root,
    /// In `/dev`.
    Devices,
    /// Below `/proc`, in `/dev/fd` and `/dev/pts`: numbers are those of tasks and descriptors, by
    /// which a replay finds what they mean. Nothing is replayed there by another path.
    Numbers,
    /// Elsewhere, or not known.
    Other,
}

impl Area {
    /// In the directory of that name.
    pub fn below(self, name: &[u8]) -> Area {
        match (self, name) {
            (_, b"" | b".") => self,
            (_, b"..") => Area::Other,
            (Area::Root, b"proc") => Area::Numbers,
            (Area::Root, b"dev") => Area::Devices,
            (Area::Devices, b"fd" | b"pts") => Area::Numbers,
            (Area::Numbers, _) => Area::Numbers,
            (Area::Root | Area::Devices | Area::Other, _) => Area::Other,
        }
    }
}

impl Names {
    /// What stands for a name that stands there.
    pub fn replace_in(&mut self, area: Area, name: &[u8]) -> Result<Vec<u8>, TraceError> {
        if area == Area::Numbers && is_number(name) {
            return Ok(name.to_vec());
        }
        self.replace(name)
    }

    /// A path or the text of a link, name by name.
    pub fn path(&mut self, path: &[u8]) -> Result<Vec<u8>, TraceError> {
        let mut area = if path.first() == Some(&b'/') {
            Area::Root
        } else {
            Area::Other
        };
        let mut out = Vec::with_capacity(path.len());
        for (index, name) in path.split(|b| *b == b'/').enumerate() {
            if index > 0 {
                out.push(b'/');
            }
            out.extend(self.replace_in(area, name)?);
            area = area.below(name);
        }
        Ok(out)
    }

    /// Of a program's arguments: its name, which may be a path.
    pub fn program(&mut self, arguments: &[u8]) -> Result<Vec<u8>, TraceError> {
        let first = arguments.split(|b| *b == 0).next().unwrap_or_default();
        self.path(first)
    }

    /// The name of an extended attribute: its namespace decides who may set it, and is kept.
    pub fn attribute(&mut self, name: &[u8]) -> Result<Vec<u8>, TraceError> {
        if is_known(Section::Attributes, name) {
            return Ok(name.to_vec());
        }
        let namespace = NAMESPACES.iter().find(|space| name.starts_with(space));
        let (namespace, rest) = name.split_at(namespace.map_or(0, |space| space.len()));
        Ok([namespace, &self.replace(rest)?].concat())
    }

    /// Where a descriptor leads: a path, perhaps of a removed file, or `pipe:[1]` or the like.
    pub fn descriptor(&mut self, target: &[u8]) -> Result<Vec<u8>, TraceError> {
        if target.first() == Some(&b'/') {
            let (path, gone) = match target.strip_suffix(DELETED) {
                Some(path) => (path, DELETED),
                None => (target, b"".as_slice()),
            };
            return Ok([&self.path(path)?, gone].concat());
        }
        let mut words = target.split(|b| matches!(b, b':' | b'[' | b']'));
        if words
            .all(|word| word.is_empty() || is_number(word) || is_known(Section::Descriptors, word))
        {
            return Ok(target.to_vec());
        }
        self.replace(target)
    }
}

/// Whether a name is a number, as those of tasks and descriptors are.
fn is_number(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_alike_wherever_they_stand() {
        let mut names = Names::new();
        let name = names.replace(b"acme").expect("a name");
        let path = names.path(b"/home//./acme/../acme/").expect("a path");
        assert_eq!(
            path,
            [b"/home//./", name.as_slice(), b"/../", &name, b"/"].concat()
        );
        assert_eq!(names.path(b"").expect("a path"), b"");
        assert_eq!(names.path(b"../..").expect("a path"), b"../..");
        assert_eq!(names.program(b"acme\0--token=x").expect("a name"), name);
        let open = names.descriptor(b"/acme (deleted)").expect("a target");
        assert_eq!(open, [b"/", name.as_slice(), b" (deleted)"].concat());
        let attribute = names.attribute(b"user.acme").expect("a name");
        assert_eq!(attribute, [b"user.", name.as_slice()].concat());
    }

    #[test]
    fn numbers_are_kept_where_they_are_those_of_tasks_and_descriptors() {
        let mut names = Names::new();
        for path in [
            "/proc/self/fd/12",
            "/proc/1234/task/77/stat",
            "/proc/thread-self/fd/3",
            "/dev/fd/3",
            "/dev/pts/0",
        ] {
            let kept = names.path(path.as_bytes()).expect("a path");
            assert_eq!(kept, path.as_bytes());
        }
        for path in ["/dev/shm/1234", "1234", "/a/proc/1234", "/proc/../x/1234"] {
            let path = path.as_bytes();
            let found = names.path(path).expect("a path");
            assert_eq!(found.len(), path.len());
            assert!(!found.ends_with(b"1234"), "{}", found.escape_ascii());
        }
    }

    #[test]
    fn what_descriptors_lead_to_is_kept_but_for_names() {
        let mut names = Names::new();
        for target in [
            "pipe:[123]",
            "socket:[4]",
            "anon_inode:[eventfd]",
            "anon_inode:inotify",
        ] {
            let kept = names.descriptor(target.as_bytes()).expect("a target");
            assert_eq!(kept, target.as_bytes());
        }
        let other = names
            .descriptor(b"anon_inode:[acme-gpu]")
            .expect("a target");
        assert!(other.len() == 21 && !other.windows(4).any(|part| part == b"acme"));
        let memory = names
            .descriptor(b"/memfd:acme (deleted)")
            .expect("a target");
        assert!(memory.ends_with(DELETED) && !memory.windows(4).any(|part| part == b"acme"));
    }

    #[test]
    fn attributes_keep_their_namespace() {
        let mut names = Names::new();
        for name in ["security.selinux", "system.posix_acl_access", "user."] {
            let kept = names.attribute(name.as_bytes()).expect("a name");
            assert_eq!(kept, name.as_bytes());
        }
        let other = names.attribute(b"osx.acme").expect("a name");
        assert!(other.len() == 8 && !other.ends_with(b"acme"));
    }
}
