//! Extended attributes: names and sizes.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Names and sizes of the values of a path's own attributes (a link is not followed); empty if they
/// can't be read.
pub fn list(path: &Path) -> Vec<(Vec<u8>, u32)> {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return Vec::new();
    };
    // SAFETY: `path` is NUL-terminated; a size of 0 asks for the length and writes nothing.
    let length = unsafe { libc::llistxattr(path.as_ptr(), std::ptr::null_mut(), 0) };
    let mut names = vec![0u8; usize::try_from(length).unwrap_or(0)];
    // SAFETY: `names` has the length that is passed.
    let got = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(usize::try_from(got).unwrap_or(0));
    names
        .split_inclusive(|b| *b == 0)
        .filter_map(|name| {
            let name = CStr::from_bytes_with_nul(name).ok()?;
            // SAFETY: both strings are NUL-terminated; a size of 0 writes nothing.
            let size =
                unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
            Some((name.to_bytes().to_vec(), u32::try_from(size).ok()?))
        })
        .collect()
}
