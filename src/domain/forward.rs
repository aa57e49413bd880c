//! Where a forwarded connection goes, in one form however it was written. Pure: resolves nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// One forwarded connection, as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// To where.
    pub to: Endpoint,
    /// Address and port that the client says it comes from: its word, printable. Of a socket it says nothing.
    pub originator: Option<(String, u32)>,
}

/// An address or a name, and a port; or a socket in the target's file system.
///
/// Invariant: an address in whatever form (`127.1`, `0x7f000001`, `::ffff:127.0.0.1`) is that address; a name is lower-case, at
/// most 253 bytes of letters, digits, `-`, `_` and `.`, without a dot at its end. The port is not 0.
/// A socket's path is absolute, of at most 107 printable bytes of ASCII, and has no empty part, `.` or `..`; its port is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
    Socket(String),
}

impl Endpoint {
    /// Checks and makes canonical.
    pub fn parse(host: &str, port: u32) -> Result<Self, EndpointError> {
        let port = u16::try_from(port).ok().filter(|port| *port != 0).ok_or(EndpointError)?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Some(address) = bare.parse::<IpAddr>().ok().or_else(|| old_form(bare).map(IpAddr::V4)) {
            return Ok(Self { host: Host::Address(address.to_canonical()), port });
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let fits =
            |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        // What ends in a number is an address to resolvers, and this one was none.
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        if name.len() > 253 || numeric || !name.split('.').all(fits) {
            return Err(EndpointError);
        }
        Ok(Self { host: Host::Name(name), port })
    }

    /// The path of a socket. Links on the way are not known here.
    pub fn socket(path: &str) -> Result<Self, SocketError> {
        let plain = path.starts_with('/') && path.len() <= SOCKET_BYTES && path.bytes().all(|b| b.is_ascii_graphic());
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        // A folder is no socket, however it is written; and what is above a link is another place than it reads.
        let folder = path.ends_with('/') || path.ends_with("/.") || parts.is_empty();
        if !plain || folder || parts.contains(&"..") {
            return Err(SocketError);
        }
        Ok(Self { host: Host::Socket(format!("/{}", parts.join("/"))), port: 0 })
    }

    /// Reads what `Display` wrote.
    pub fn read(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Self::socket(text).ok();
        }
        let (host, port) = text.rsplit_once(':')?;
        Self::parse(host, port.parse().ok()?).ok()
    }

    /// Address, name or path.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) | Host::Socket(name) => name.clone(),
        }
    }

    /// Whether it is a socket's path.
    pub fn is_socket(&self) -> bool {
        matches!(self.host, Host::Socket(_))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Address(address) => Some(*address),
            Host::Name(_) | Host::Socket(_) => None,
        }
    }

    /// Whether it means the machine that dials it, its neighbours on the link, or what a cloud tells its machines.
    pub fn is_near(&self) -> bool {
        match &self.host {
            Host::Address(IpAddr::V4(address)) => near_v4(*address),
            Host::Address(IpAddr::V6(address)) => near_v6(*address),
            Host::Socket(_) => true,
            Host::Name(name) => NAMES.contains(&name.as_str()) || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Socket(path) => f.write_str(path),
        }
    }
}

/// Neither an address nor a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no address and no name: give a name, an IP address, and a port")]
pub struct EndpointError;

/// No path that a socket can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "this is no path of a socket: give an absolute one of at most {SOCKET_BYTES} bytes of ASCII, without '..' and blanks"
)]
pub struct SocketError;

/// What fits the kernel's structure for the address of a socket, with the zero at its end.
const SOCKET_BYTES: usize = 107;

const NAMES: [&str; 6] =
    ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "metadata", "metadata.google.internal"];

/// Where clouds answer for metadata beyond the link: Azure, Alibaba, Oracle.
const CLOUDS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];

fn near_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    let link = address.is_link_local() || address.is_multicast() || address.is_broadcast();
    address.is_loopback() || first == 0 || link || CLOUDS.contains(&address)
}

fn near_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let last = Ipv4Addr::from_bits(u32::from(g) << 16 | u32::from(h));
    let embeds = matches!((a, b, c, d, e, f), (0, 0, 0, 0, 0, 0) | (0x64, 0xff9b, 0, 0, 0, 0));
    // AWS answers at fd00:ec2::254.
    let metadata = (a, b, h) == (0xfd00, 0x0ec2, 0x254);
    address.is_multicast() || address.is_unicast_link_local() || metadata || embeds && (near_v4(last) || a == 0)
}

/// What `inet_aton` takes: one to four numbers, each decimal, octal or hexadecimal, the last one filling what is left.
fn old_form(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, first) = parts.split_last().filter(|(_, first)| first.len() <= 3)?;
    let width = 8 * (4 - u32::try_from(first.len()).ok()?);
    let fits = first.iter().all(|part| *part <= 255) && u64::from(*last) < 1 << width;
    let high = first.iter().fold(0_u64, |all, part| all << 8 | u64::from(*part));
    fits.then(|| u32::try_from(high << width | u64::from(*last)).ok().map(Ipv4Addr::from_bits))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, shown: &str, near: bool) {
        let endpoint = Endpoint::parse(host, 443).unwrap();
        assert_eq!((endpoint.to_string(), endpoint.is_near()), (format!("{shown}:443"), near), "{host}");
    }

    #[test]
    fn every_form_of_an_address_is_that_address() {
        for loopback in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "::ffff:127.0.0.1"] {
            check(loopback, "127.0.0.1", true);
        }
        check("[::1]", "[::1]", true);
        check("0", "0.0.0.0", true);
        check("169.254.169.254", "169.254.169.254", true);
        check("FE80::1", "[fe80::1]", true);
        check("fd00:ec2::254", "[fd00:ec2::254]", true);
        check("64:ff9b::7f00:1", "[64:ff9b::7f00:1]", true);
        check("::7f00:1", "[::7f00:1]", true);
        check("10.0.3.9", "10.0.3.9", false);
        check("2001:DB8::0:1", "[2001:db8::1]", false);
    }

    #[test]
    fn a_name_has_one_form() {
        check("Build.Example.COM.", "build.example.com", false);
        check("localhost", "localhost", true);
        check("a.LOCALHOST.", "a.localhost", true);
        check("metadata.google.internal", "metadata.google.internal", true);
    }

    #[test]
    fn a_socket_is_its_path_in_one_form_and_always_near() {
        for (path, shown) in [("/run/x.sock", "/run/x.sock"), ("//run/./a//x", "/run/a/x"), ("/x:80", "/x:80")] {
            let socket = Endpoint::socket(path).unwrap();
            assert_eq!((socket.to_string().as_str(), socket.port(), socket.is_near()), (shown, 0, true), "{path}");
            assert_eq!(socket.host(), shown);
        }
        for wrong in
            ["", "/", "//", "x", "~/x", "./x", "/run/", "/run/.", "/run/../x", "/..", "/a b", "/caf\u{e9}", "/a\0b"]
        {
            assert_eq!(Endpoint::socket(wrong), Err(SocketError), "{wrong:?}");
        }
        assert!(Endpoint::socket(&format!("/{}", "a".repeat(106))).is_ok());
        assert!(Endpoint::socket(&format!("/{}", "a".repeat(107))).is_err());
    }

    #[test]
    fn what_was_written_of_one_is_read_back() {
        for one in [Endpoint::parse("::1", 80), Endpoint::parse("127.1", 1), Endpoint::parse("Build.", 65535)] {
            assert_eq!(Endpoint::read(&one.as_ref().unwrap().to_string()), one.ok());
        }
        assert_eq!(Endpoint::read("/run/x:1"), Endpoint::socket("/run/x:1").ok());
        for wrong in ["", "db1", "db1:", "db1:0", "/", "run/x"] {
            assert_eq!(Endpoint::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in ["", ".", "a..b", "a b", "1.2.3.999", "1.2.3.4.5", "a.0x1", "fe80::1%eth0", "caf\u{e9}", "a/b"] {
            assert_eq!(Endpoint::parse(wrong, 80), Err(EndpointError), "{wrong}");
        }
        assert!(Endpoint::parse("a", 0).is_err() && Endpoint::parse("a", 65536).is_err());
        assert!(Endpoint::parse(&"a".repeat(254), 80).is_err());
    }
}
