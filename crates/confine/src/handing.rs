//! How what listens on a program's own network comes to the proxy: the launcher sends it, and keeps nothing of it.

use std::fmt::Write as _;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener as Listener;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use subtle::ConstantTimeEq as _;
use tempfile::NamedTempFile;
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::plan::Handover;

/// How long who has connected may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of the word by which the launcher is known, and of its text.
const TOKEN_BYTES: usize = 32;

/// A socket in a directory of this user's, for one launcher.
pub(crate) struct Handing {
    listener: UnixListener,
    token: String,
    /// Removes it.
    path: tempfile::TempPath,
}

impl Handing {
    /// In this directory, which others must not read. Within a tokio runtime.
    pub(crate) fn in_directory(directory: &Path) -> io::Result<Self> {
        let opened = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let short = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string());
        let made: NamedTempFile<Listener> = tempfile::Builder::new()
            .prefix("handing-")
            .make_in(directory, |path| Listener::bind(short.join(path.file_name().unwrap_or_default())))?;
        let (listener, path) = made.into_parts();
        listener.set_nonblocking(true)?;
        Ok(Self { listener: UnixListener::from_std(listener)?, token: token()?, path })
    }

    /// What the launcher is told.
    pub(crate) fn handover(&self) -> Handover {
        let (directory, name) = (self.path.parent().unwrap_or(Path::new("/")), self.path.file_name());
        Handover {
            directory: directory.to_owned(),
            name: name.unwrap_or_default().to_owned(),
            token: self.token.clone(),
        }
    }

    /// What the launcher hands over. Whoever else comes is not listened to.
    pub(crate) async fn taken(self) -> io::Result<tokio::net::TcpListener> {
        loop {
            let (from, _) = self.listener.accept().await?;
            if let Ok(Some(given)) = timeout(PATIENCE, self.given(&from)).await {
                given.set_nonblocking(true)?;
                return tokio::net::TcpListener::from_std(given);
            }
        }
    }

    async fn given(&self, from: &UnixStream) -> Option<TcpListener> {
        let (said, handed) = from.async_io(Interest::READABLE, || received(from)).await.ok()?;
        let is_known: bool = said.as_slice().ct_eq(self.token.as_bytes()).into();
        handed.filter(|_| is_known).map(TcpListener::from)
    }
}

fn received(from: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut said = vec![0; 2 * TOKEN_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(from, &mut [IoSliceMut::new(&mut said)], &mut along, RecvFlags::CMSG_CLOEXEC)?;
    said.truncate(message.bytes);
    let handed = along.drain().find_map(|one| match one {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((said, handed))
}

fn token() -> io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
