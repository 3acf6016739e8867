use std::fs;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, sendto, socket_with,
};
use rustix::process::{getgid, getuid};
use rustix::thread::UnshareFlags;

use crate::plan::{Handover, Plan};
use crate::{Error, PROXY_PORT};

/// Whether the program has a network of its own now; what listens on it for its proxy is handed over.
pub(super) fn enter(plan: &Plan) -> Result<bool, Error> {
    if !plan.confinement.own_network {
        return Ok(false);
    }
    match entered(plan.handover.as_ref()) {
        Ok(()) => Ok(true),
        Err(error) if plan.required => Err(error),
        // It makes no socket of the internet then.
        Err(_) => Ok(false),
    }
}

fn entered(handover: Option<&Handover>) -> Result<(), Error> {
    // Reached as who it still is.
    let taker =
        handover.map(|to| reached(to).map(|taker| (taker, to))).transpose().map_err(failed("reaching its proxy"))?;
    alone()?;
    let Some((taker, Handover { token, .. })) = taker else { return Ok(()) };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PROXY_PORT)).map_err(failed("listening for its proxy"))?;
    hand_over(&taker, token, &listener).map_err(failed("handing over to its proxy"))
}

/// Puts this process on a network of its own, which has this machine's loopback addresses and nothing else. Its user and group stay what
/// they are; all others look like nobody.
pub(crate) fn alone() -> Result<(), Error> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    #[expect(
        deprecated,
        reason = "the successor is an unsafe fn, for descriptor tables that are given up: this one is kept"
    )]
    let unshared = rustix::thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET);
    unshared.map_err(|errno| failed("making it")(errno.into()))?;
    let write = |file: &str, text: String| fs::write(Path::new("/proc/self").join(file), text);
    write("setgroups", "deny".to_owned()).map_err(failed("keeping its groups"))?;
    write("uid_map", format!("{user} {user} 1")).map_err(failed("keeping its user"))?;
    write("gid_map", format!("{group} {group} 1")).map_err(failed("keeping its group"))?;
    switch_loopback_on().map_err(|errno| failed("switching its loopback on")(errno.into()))
}

/// rtnetlink(7): one message that sets IFF_UP of the first interface, which is the loopback of every network, and its answer.
fn switch_loopback_on() -> Result<(), Errno> {
    const NEW_LINK: u16 = 16;
    const REQUEST_AND_ANSWER: u16 = 1 | 4;
    const LOOPBACK: i32 = 1;
    const UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend_from_slice(&32_u32.to_ne_bytes());
    message.extend_from_slice(&NEW_LINK.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_ANSWER.to_ne_bytes());
    // Number and sender; family and type of the interface.
    message.extend_from_slice(&[0; 12]);
    message.extend_from_slice(&LOOPBACK.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 64];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
    // After the head of the answer: zero, or the error as a negative number.
    let code =
        answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw_os_error(-code)),
        None => Err(Errno::PROTO),
    }
}

/// By way of its directory: a path may be longer than the address of a socket can be.
fn reached(Handover { directory, name, .. }: &Handover) -> io::Result<UnixStream> {
    let directory = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    UnixStream::connect(Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))
}

fn hand_over(taker: &UnixStream, token: &str, listener: &TcpListener) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = SendAncillaryBuffer::new(&mut space);
    let handed = [listener.as_fd()];
    along.push(SendAncillaryMessage::ScmRights(&handed));
    let sent = sendmsg(taker, &[IoSlice::new(token.as_bytes())], &mut along, SendFlags::NOSIGNAL)?;
    if sent == token.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| {
        Error::Missing(format!(
            "there is no network of its own for it: {what} failed ({error}); user namespaces may be switched off \
             (user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns, or the container's seccomp)"
        ))
    }
}
