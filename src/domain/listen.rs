//! Where a target listens for a client (`ssh -R`), in one form however it was written. Pure: resolves nothing.

use std::fmt;
use std::net::IpAddr;

use super::forward::{Endpoint, SocketError};

/// A place at the target where connections are taken for a client.
///
/// Invariant: an address is in its one form, every way to write *all addresses* is `*`, a name is in lower case. A socket's
/// path is as [`Endpoint::socket`] makes it, and its port is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    host: String,
    port: u16,
    is_socket: bool,
}

impl Listen {
    /// An address to bind and a port, as a client asks for them. Port 0: the target chooses.
    pub fn parse(address: &str, port: u32) -> Result<Self, ListenError> {
        let port = u16::try_from(port).map_err(|_| ListenError)?;
        if matches!(address, "" | "*") {
            return Ok(Self { host: ANY.to_owned(), port, is_socket: false });
        }
        // The port is checked above; here any will do.
        let at = Endpoint::parse(address, 1).map_err(|_| ListenError)?;
        let is_any = at.address().is_some_and(|address| address.is_unspecified());
        let host = if is_any { ANY.to_owned() } else { at.host() };
        Ok(Self { host, port, is_socket: false })
    }

    /// A socket in the target's file system.
    pub fn socket(path: &str) -> Result<Self, SocketError> {
        Ok(Self { host: Endpoint::socket(path)?.host(), port: 0, is_socket: true })
    }

    /// Reads what `Display` wrote.
    pub fn read(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Self::socket(text).ok();
        }
        let (host, port) = text.rsplit_once(':')?;
        Self::parse(host, port.parse().ok()?).ok()
    }

    /// The same place, with the port that the target chose.
    pub fn on(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// Address, name or path; `*` is every address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 where the target is to choose one, and of a socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is a socket's path.
    pub fn is_socket(&self) -> bool {
        self.is_socket
    }

    /// Whether only the target itself can connect there.
    pub fn is_local(&self) -> bool {
        self.is_socket || self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            _ if self.is_socket => f.write_str(&self.host),
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Some(IpAddr::V4(_)) | None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Nothing that can be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no address to listen on: give none, localhost or an IP address, and a port")]
pub struct ListenError;

/// How every address at once is written.
const ANY: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, shown: &str, local: bool) {
        let listen = Listen::parse(address, 80).unwrap();
        assert_eq!((listen.to_string(), listen.is_local()), (format!("{shown}:80"), local), "{address}");
        assert_eq!(Listen::read(&listen.to_string()), Some(listen));
    }

    #[test]
    fn every_way_to_write_all_addresses_is_one_and_no_loopback() {
        for any in ["", "*", "0.0.0.0", "::", "[::]", "0", "::ffff:0.0.0.0"] {
            check(any, "*", false);
        }
        check("10.0.3.9", "10.0.3.9", false);
        check("db1.example.com", "db1.example.com", false);
    }

    #[test]
    fn only_what_the_target_alone_can_reach_is_local() {
        check("localhost", "localhost", true);
        check("LocalHost.", "localhost", true);
        check("127.1", "127.0.0.1", true);
        check("127.0.0.2", "127.0.0.2", true);
        check("::1", "[::1]", true);
        check("localhost.example.com", "localhost.example.com", false);
        check("a.localhost", "a.localhost", false);
    }

    #[test]
    fn a_port_may_be_left_to_the_target_and_a_socket_has_none() {
        let free = Listen::parse("localhost", 0).unwrap();
        assert_eq!((free.to_string().as_str(), free.on(4711).to_string().as_str()), ("localhost:0", "localhost:4711"));
        let socket = Listen::socket("//run/./x.sock").unwrap();
        assert_eq!((socket.to_string().as_str(), socket.port(), socket.is_local()), ("/run/x.sock", 0, true));
        assert_eq!(Listen::read("/run/x.sock"), Some(socket));
        assert!(Listen::socket("run/x").is_err() && Listen::socket("/run/../x").is_err());
        assert!(Listen::parse("localhost", 65536).is_err() && Listen::parse("a b", 1).is_err());
        assert!(Listen::parse("1.2.3.999", 1).is_err() && Listen::read("localhost").is_none());
    }
}
