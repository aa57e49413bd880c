//! What a service manager handed over at the start, and what it is told: ready, reloading, stopping, alive.
//!
//! The protocol is that of sd_notify(3): a datagram of `KEY=value` lines. Without a manager nothing is said.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::warn;

use crate::clock::monotonic_micros;

/// What the process was started with, read by `cli` from the environment.
#[derive(Debug, Default)]
pub struct System {
    /// Sockets that listen already, each with the name that the manager gave it.
    pub listeners: Vec<(String, TcpListener)>,
    /// Where the manager hears: a path, or `@` and an abstract name.
    pub notify: Option<OsString>,
    /// It takes the process for dead after so long without a sign of life.
    pub watchdog: Option<Duration>,
}

/// Tells the manager. Cheap to clone. A manager that does not hear stops nothing.
#[derive(Debug)]
pub(super) struct Manager(Option<UnixDatagram>);

impl Manager {
    /// Of this socket.
    pub(super) fn at(socket: Option<&OsStr>) -> Self {
        let Some(socket) = socket else { return Self(None) };
        match connect(socket) {
            Ok(connected) => Self(Some(connected)),
            Err(error) => {
                warn!(socket = %socket.display(), %error, "the service manager cannot be told anything");
                Self(None)
            }
        }
    }

    /// It serves; `status` is a line for people.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// It reads its config again. [`Manager::ready`] follows.
    pub(super) fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()));
    }

    /// It stops, and may take so long.
    pub(super) fn stopping(&self, within: Duration, status: &str) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS={status}", within.as_micros()));
    }

    /// It lives.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, lines: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = socket.send(lines.as_bytes()) {
            warn!(%error, "the service manager was not told");
        }
    }
}

fn connect(socket: &OsStr) -> io::Result<UnixDatagram> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let from = UnixDatagram::unbound()?;
    // A manager that reads nothing holds nobody up.
    from.set_nonblocking(true)?;
    from.connect_addr(&address)?;
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut text = [0; 512];
        let len = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..len]).into_owned()
    }

    #[test]
    fn a_manager_hears_what_happens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(Some(path.as_os_str()));
        manager.ready("serving");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=serving");
        manager.reloading();
        let reloading = heard(&socket);
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(since.parse::<u64>().unwrap() > 0);
        manager.alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
        manager.stopping(Duration::from_secs(2), "2 sessions are open");
        assert_eq!(heard(&socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=2000000\nSTATUS=2 sessions are open");
    }

    #[test]
    fn an_abstract_name_is_reached_too() {
        let name = format!("sallyport-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Manager::at(Some(OsStr::new(&format!("@{name}")))).alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }

    #[test]
    fn a_manager_that_is_gone_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Manager::at(Some(dir.path().join("nobody").as_os_str())).alive();
        Manager::at(None).alive();
    }
}
