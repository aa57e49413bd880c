//! The user's ssh-agent: add a certificate with its key, list, remove.
//!
//! Speaks the few messages of OpenSSH's `PROTOCOL.agent` that are needed. Never adds a key without
//! the constraints that were asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Certificate, PrivateKey, PublicKey};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// A connection to a running agent.
pub struct Agent {
    stream: UnixStream,
    socket: PathBuf,
}

/// Where an identity may be used: at hosts with one of these names that prove themselves by these
/// keys. The agent checks it against what the SSH client binds to its connection.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Host names, exactly: the bastion's, and in jump mode the targets'.
    pub names: Vec<String>,
    /// The authority of their host certificates.
    pub host_ca: PublicKey,
    /// Plain host keys that are good too.
    pub host_keys: Vec<PublicKey>,
}

/// One identity in an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The public key or certificate, in wire form.
    pub blob: Vec<u8>,
    /// Its comment.
    pub comment: String,
}

impl Agent {
    /// Connects to the agent behind `SSH_AUTH_SOCK`.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        let unreachable = |source| Error::Unreachable { socket: socket.to_owned(), source };
        let connected = timeout(ANSWER_TIME, UnixStream::connect(socket)).await;
        let stream = connected.map_err(|_| unreachable(std::io::ErrorKind::TimedOut.into()))?.map_err(unreachable)?;
        Ok(Self { stream, socket: socket.to_owned() })
    }

    /// Adds `certificate` with its key for `life`, usable only towards `destination` where one is given.
    pub async fn add(
        &mut self,
        key: &PrivateKey,
        certificate: &Certificate,
        comment: &str,
        life: Duration,
        destination: Option<&Destination>,
    ) -> Result<(), Error> {
        let KeypairData::Ed25519(pair) = key.key_data() else { return Err(Error::Unencodable) };
        let blob = certificate.to_bytes().map_err(|_| Error::Unencodable)?;
        let mut message = Message::new(ADD_ID_CONSTRAINED);
        message.string(b"ssh-ed25519-cert-v01@openssh.com");
        message.string(&blob);
        message.string(pair.public.as_ref());
        // Seed, then public key: the form of the reference implementation.
        let secret = Zeroizing::new(pair.to_bytes());
        message.string(secret.as_slice());
        message.string(comment.as_bytes());
        message.byte(CONSTRAIN_LIFETIME);
        message.number(u32::try_from(life.as_secs().max(1)).unwrap_or(u32::MAX));
        if let Some(destination) = destination {
            message.byte(CONSTRAIN_EXTENSION);
            message.string(b"restrict-destination-v00@openssh.com");
            message.string(&constraints(destination)?);
        }
        match (self.ask(message).await?.kind, destination) {
            (SUCCESS, _) => Ok(()),
            (_, Some(_)) => Err(Error::ConstraintRefused { socket: self.socket.clone() }),
            (_, None) => Err(Error::Refused { socket: self.socket.clone() }),
        }
    }

    /// What the agent holds.
    pub async fn identities(&mut self) -> Result<Vec<Identity>, Error> {
        let reply = self.ask(Message::new(REQUEST_IDENTITIES)).await?;
        if reply.kind != IDENTITIES_ANSWER {
            return Err(Error::Refused { socket: self.socket.clone() });
        }
        let mut rest = reply.body.as_slice();
        let strange = || Error::Strange { socket: self.socket.clone() };
        let count = take_number(&mut rest).ok_or_else(strange)?;
        let mut found = Vec::new();
        for _ in 0..count {
            let blob = take_string(&mut rest).ok_or_else(strange)?.to_vec();
            let comment = String::from_utf8_lossy(take_string(&mut rest).ok_or_else(strange)?).into_owned();
            found.push(Identity { blob, comment });
        }
        Ok(found)
    }

    /// Takes an identity out.
    pub async fn remove(&mut self, blob: &[u8]) -> Result<(), Error> {
        let mut message = Message::new(REMOVE_IDENTITY);
        message.string(blob);
        match self.ask(message).await?.kind {
            SUCCESS => Ok(()),
            _ => Err(Error::Refused { socket: self.socket.clone() }),
        }
    }

    async fn ask(&mut self, message: Message) -> Result<Reply, Error> {
        let stream = &mut self.stream;
        let exchange = async {
            stream.write_all(&message.framed()).await?;
            let length = stream.read_u32().await?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if !(1..=MAX_REPLY).contains(&length) {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            let kind = stream.read_u8().await?;
            let mut body = vec![0; length - 1];
            stream.read_exact(&mut body).await?;
            Ok(Reply { kind, body })
        };
        let answered =
            timeout(ANSWER_TIME, exchange).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        answered.map_err(|source| Error::Unreachable { socket: self.socket.clone(), source })
    }
}

struct Reply {
    kind: u8,
    body: Vec<u8>,
}

/// A message being written. Wiped when dropped: it may hold a private key.
struct Message(Zeroizing<Vec<u8>>);

impl Message {
    fn new(kind: u8) -> Self {
        // Room enough for every message of ours: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
        bytes.push(kind);
        Self(bytes)
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn string(&mut self, bytes: &[u8]) {
        put_string(&mut self.0, bytes);
    }

    fn framed(&self) -> Zeroizing<Vec<u8>> {
        let mut framed = Zeroizing::new(Vec::with_capacity(self.0.len() + 4));
        put_string(&mut framed, &self.0);
        framed
    }
}

/// OpenSSH `PROTOCOL.agent`, "restrict-destination-v00@openssh.com": from here (a hop without name
/// or keys) to any user at each name.
fn constraints(destination: &Destination) -> Result<Vec<u8>, Error> {
    if destination.names.is_empty() || destination.names.len() > MAX_NAMES {
        return Err(Error::Unencodable);
    }
    let mut from = Vec::new();
    [b"", b"", b""].iter().for_each(|empty: &&[u8; 0]| put_string(&mut from, *empty));
    let mut all = Vec::new();
    for name in &destination.names {
        let mut to = Vec::new();
        // Any user, the host, reserved.
        put_string(&mut to, b"");
        put_string(&mut to, name.as_bytes());
        put_string(&mut to, b"");
        let authority = std::iter::once((&destination.host_ca, 1));
        for (key, is_authority) in authority.chain(destination.host_keys.iter().map(|key| (key, 0))) {
            put_string(&mut to, &key.to_bytes().map_err(|_| Error::Unencodable)?);
            to.push(is_authority);
        }
        let mut one = Vec::new();
        put_string(&mut one, &from);
        put_string(&mut one, &to);
        put_string(&mut one, b"");
        put_string(&mut all, &one);
    }
    Ok(all)
}

fn put_string(into: &mut Vec<u8>, bytes: &[u8]) {
    // Nothing here comes near 4 GiB; a length that did not fit would be refused by the agent.
    into.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.extend_from_slice(bytes);
}

fn take_number(from: &mut &[u8]) -> Option<u32> {
    let (number, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u32::from_be_bytes(*number))
}

fn take_string<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(from)?).ok()?;
    let (string, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(string)
}

/// What an agent did not do. Names the agent by its socket.
#[derive(Debug, Error)]
pub enum Error {
    /// No agent there, or none that answers.
    #[error("no ssh-agent answers at {}", socket.display())]
    Unreachable {
        /// `SSH_AUTH_SOCK`.
        socket: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It cannot keep an identity to one destination.
    #[error(
        "the agent at {} refuses a key that is tied to the bastion (OpenSSH's can since 8.9); \
         use another agent, files, or --no-constraint",
        socket.display()
    )]
    ConstraintRefused {
        /// `SSH_AUTH_SOCK`.
        socket: PathBuf,
    },
    /// It said no.
    #[error("the agent at {} refused", socket.display())]
    Refused {
        /// `SSH_AUTH_SOCK`.
        socket: PathBuf,
    },
    /// It answered with something else than the protocol foresees.
    #[error("the agent at {} answered strangely", socket.display())]
    Strange {
        /// `SSH_AUTH_SOCK`.
        socket: PathBuf,
    },
    /// Key, certificate or destination cannot be put into a message.
    #[error("the identity cannot be given to an agent")]
    Unencodable,
}

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const REMOVE_IDENTITY: u8 = 18;
const ADD_ID_CONSTRAINED: u8 = 25;
const SUCCESS: u8 = 6;
const CONSTRAIN_LIFETIME: u8 = 1;
const CONSTRAIN_EXTENSION: u8 = 255;
/// An agent may ask its user first.
const ANSWER_TIME: Duration = Duration::from_secs(60);
const MAX_REPLY: usize = 256 << 10;
/// Half of what OpenSSH's agent takes.
const MAX_NAMES: usize = 512;
