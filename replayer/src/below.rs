//! Which paths lie below which, by their bytes.

/// Whether `path` is `above` or lies below it. Both are absolute, and have no `.`, `..` or empty
/// names.
pub(crate) fn is_below(path: &[u8], above: &[u8]) -> bool {
    let above = above.strip_suffix(b"/").unwrap_or(above);
    path.strip_prefix(above)
        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
}
