//! The listener of a filter: it is asked about calls, and lets them be made.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::check;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
pub const NEW_LISTENER: u64 = 1 << 3;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: once the listener was asked, no signal ends the call
/// (Linux 5.19).
pub const WAIT_KILLABLE: u64 = 1 << 5;

// Of <linux/seccomp.h>: _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, struct
// seccomp_notif_resp).
const RECEIVE: u64 = 0xc050_2100;
const SEND: u64 = 0xc018_2101;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`: the call is made as it stands.
const CONTINUE: u32 = 1;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Question {
    id: u64,
    pid: u32,
    flags: u32,
    // `struct seccomp_data`.
    data: [u64; 8],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// A socket that a task sends its listener to. (`pidfd_getfd` would be shorter, and is forbidden by
/// Docker's profile.)
pub struct Postbox {
    socket: UnixDatagram,
    name: String,
}

impl Postbox {
    /// Has a name of its own, in no file system.
    pub fn new() -> io::Result<Postbox> {
        let name = format!("fsreplay-{}-{}", std::process::id(), super::now());
        let address = SocketAddr::from_abstract_name(&name)?;
        let socket = UnixDatagram::bind_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Postbox { socket, name })
    }

    /// Its `struct sockaddr_un`.
    pub fn address(&self) -> Vec<u8> {
        let family = (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes();
        [&family, &[0][..], self.name.as_bytes()].concat()
    }

    /// What was sent.
    pub fn take(&self) -> io::Result<Listener> {
        let mut byte = 0u8;
        let mut data = libc::iovec {
            iov_base: (&raw mut byte).cast(),
            iov_len: 1,
        };
        // Room for one descriptor, as aligned as its header must be.
        let mut control = [0u64; 4];
        // SAFETY: all-zero bytes are a valid msghdr.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let fd = self.socket.as_raw_fd();
        // SAFETY: the message points to locals that are as long as it says.
        let got = unsafe { libc::recvmsg(fd, &mut message, libc::MSG_CMSG_CLOEXEC) };
        check(got as i64)?;
        // SAFETY: the kernel filled the message in.
        let header = unsafe { libc::CMSG_FIRSTHDR(&message) };
        // SAFETY: it is null, or points to a whole header within `control`.
        let header = unsafe { header.as_ref() }.ok_or(io::ErrorKind::InvalidData)?;
        if (header.cmsg_level, header.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: behind a header of that type is a descriptor at least.
        let fd = unsafe { libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned() };
        // SAFETY: the kernel just made it for this process, and it is nobody else's.
        Ok(Listener(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

/// The listener of a filter.
pub struct Listener(OwnedFd);

impl Listener {
    /// Waits for a task that makes a call, and lets it be made. Gives the task's id; `None` once
    /// no task has the filter any more.
    pub fn let_pass(&self) -> io::Result<Option<i32>> {
        let fd = self.0.as_raw_fd();
        loop {
            let mut poll = libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: `poll` is one valid structure.
            let ready = check(i64::from(unsafe { libc::poll(&mut poll, 1, -1) }));
            match ready {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if poll.revents & libc::POLLIN == 0 {
                return Ok(None);
            }
            if let Some(task) = self.answer()? {
                return Ok(Some(task));
            }
        }
    }

    /// Lets the call of the next task be made; `None` if that was killed meanwhile.
    fn answer(&self) -> io::Result<Option<i32>> {
        let gone = |error: &io::Error| {
            let error = error.raw_os_error();
            matches!(error, Some(libc::ENOENT | libc::EINTR))
        };
        let fd = self.0.as_raw_fd();
        let mut question = Question::default();
        // SAFETY: the kernel fills in `question`, which has the layout that the number says.
        let asked = check(unsafe { ioctl(fd, RECEIVE, (&raw mut question).cast()) });
        match asked {
            Err(error) if gone(&error) => return Ok(None),
            other => other?,
        };
        let mut answer = Answer {
            id: question.id,
            value: 0,
            error: 0,
            flags: CONTINUE,
        };
        // SAFETY: the kernel reads `answer`, which has the layout that the number says.
        let sent = check(unsafe { ioctl(fd, SEND, (&raw mut answer).cast()) });
        match sent {
            Err(error) if gone(&error) => return Ok(None),
            other => other?,
        };
        Ok(i32::try_from(question.pid).ok())
    }
}

/// The raw call: the type of a request differs between C libraries.
///
/// # Safety
/// The argument must be what the request wants.
unsafe fn ioctl(fd: RawFd, request: u64, argument: *mut libc::c_void) -> i64 {
    // SAFETY: as the caller says.
    unsafe { libc::syscall(libc::SYS_ioctl, fd, request, argument) }
}
