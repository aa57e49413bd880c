//! Looks at what a listener shows, without anybody's sign-in: a target's host key against the config, and the end of
//! our own host certificate.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client;
use russh::keys::PublicKeyOrCertificate;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::upstream::{self, Error};
use crate::domain::Timestamp;
use crate::domain::target::Target;

/// What stands between us and a target: which key of its table it concerns, what it is, and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The key of `[[target]]`.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// For a name server, and for one round trip.
const LOOK: Duration = Duration::from_secs(5);

/// Dials `target`, compares its host key with the config, and leaves. The fingerprint that it showed.
pub async fn look(target: &Target, now: Timestamp) -> Result<String, Trouble> {
    resolve(target).await?;
    match upstream::connect(target, now).await {
        Ok(connected) => {
            let seen = connected.host_key.clone();
            connected.end().await;
            Ok(seen)
        }
        Err(error) => Err(said(target, &error)),
    }
}

/// Whether the target's name means an address, and not one of ours.
pub(super) async fn resolve(target: &Target) -> Result<(), Trouble> {
    let address = &target.address;
    let found = match timeout(LOOK, lookup_host((address.host.as_str(), address.port))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect::<Vec<IpAddr>>(),
        Ok(Err(error)) => {
            let what = format!("{} is not resolved: {error}", address.host);
            return Err(trouble("address", what, "write its address as numbers, or look at the name server"));
        }
        Err(_) => {
            let what = format!("{} is not resolved within {} s", address.host, LOOK.as_secs());
            return Err(trouble("address", what, "look at this machine's name server"));
        }
    };
    if !target.allow_loopback
        && let Some(own) = found.iter().find(|ip| is_ours(**ip))
    {
        let what = format!("{} is {own}, an address of this machine", address.host);
        return Err(trouble("address", what, "name the target's own address, or say allow_loopback = true"));
    }
    Ok(())
}

/// A refused connection in the words of an operator.
pub(super) fn said(target: &Target, error: &Error) -> Trouble {
    let address = &target.address;
    match error {
        Error::Dial(error) => trouble(
            "address",
            format!("{address} cannot be reached: {error}"),
            "start sshd there, or look at the firewall between and at the address",
        ),
        Error::NoAddress => trouble("address", format!("{} has no address", address.host), "look at the name server"),
        Error::Loopback => trouble(
            "address",
            format!("{address} is this machine"),
            "name the target's own address, or say allow_loopback = true",
        ),
        Error::HostTrust => trouble("host_key", "cannot be read", "scan it again with `sallyport target add`"),
        Error::HostKey { why, fingerprint } => trouble(
            "host_key",
            format!("{address} shows {fingerprint}: {why}"),
            "compare on its console (ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub) before you change the config",
        ),
        Error::TimedOut(step) => trouble(
            "address",
            format!("{address} did not answer within 10 s ({step})"),
            "look at the firewall between, and at the load of the target",
        ),
        Error::Ssh(russh::Error::NoCommonAlgo { kind, .. }) => trouble(
            "host_key",
            format!("{address} and this bastion have no {kind:?} algorithm in common"),
            "give the host a key of the configured kind, or configure a key that it has (ssh-keyscan lists them)",
        ),
        Error::TurnedAway(error) | Error::Ssh(error) => trouble(
            "address",
            format!("{address} broke the connection: {error}"),
            "look at its sshd log: MaxStartups, PerSourcePenalties or hosts.deny may turn this bastion away",
        ),
        Error::Certificate(_) | Error::Refused | Error::Resting(_) | Error::NotGranted(_) => {
            trouble("logins", error.to_string(), "ssh BASTION trust prints what the target needs")
        }
    }
}

fn trouble(key: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Trouble {
    Trouble { key, what: what.into(), mend: mend.into() }
}

/// Whether a packet to this address would stay here: only such an address can be bound.
fn is_ours(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

/// When the host certificate ends that a listener shows. `None`: nobody listens, or it shows none.
pub async fn host_certificate_end(address: SocketAddr) -> Option<Timestamp> {
    let seen = Arc::new(OnceLock::new());
    let config = Arc::new(client::Config {
        preferred: russh::Preferred {
            host_key_certificates: vec![russh::keys::Algorithm::Ed25519].into(),
            ..super::algorithms::preferred()
        },
        ..client::Config::default()
    });
    let asking = async {
        let stream = TcpStream::connect(address).await.ok()?;
        // Turned away once it has shown what it has: that is no error here.
        let _ = client::connect_stream(config, stream, Eye(seen.clone())).await;
        seen.get().copied()
    };
    timeout(LOOK, asking).await.ok().flatten()
}

struct Eye(Arc<OnceLock<Timestamp>>);

impl client::Handler for Eye {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::Certificate(certificate) = shown {
            let end = i64::try_from(certificate.valid_before()).unwrap_or(i64::MAX);
            let _ = self.0.set(Timestamp::from_secs(end));
        }
        Ok(false)
    }
}
