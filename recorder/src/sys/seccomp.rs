//! Installing a filter in the calling thread.

use std::io;

use super::check;

/// One instruction of a filter.
pub type Instruction = libc::sock_filter;

const SECCOMP_SET_MODE_FILTER: usize = 1;
/// Without it, kernels before 5.16 slow the whole tool down by a mitigation that it did not ask
/// for.
const SECCOMP_FILTER_FLAG_SPEC_ALLOW: usize = 4;

/// Installs a filter for the calling thread and all that it makes. Sets `no_new_privs` only where
/// the kernel asks for it; gives whether it did. Async-signal-safe: it runs between fork and exec.
pub fn install(filter: &[Instruction]) -> io::Result<bool> {
    match install_once(filter) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {}
        done => return done.map(|()| false),
    }
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
    check(i64::from(unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    }))?;
    install_once(filter).map(|()| true)
}

/// The calling thread's seccomp mode: 0 for none, 2 for filters.
pub fn mode() -> u64 {
    // SAFETY: PR_GET_SECCOMP takes no further arguments. In strict mode it would kill, but then
    // nothing of this process would run.
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP) };
    u64::try_from(mode).unwrap_or(0)
}

fn install_once(filter: &[Instruction]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    let mut result = Ok(());
    for flags in [SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0] {
        // SAFETY: `program` points to `filter.len()` instructions, which the kernel copies.
        result = check(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        })
        .map(drop);
        match &result {
            // Before 4.17 the flag is unknown.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            _ => break,
        }
    }
    result
}
