//! An SSH client without manners: says what the stock `ssh` cannot be made to say.

use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult};
use russh::keys::{Certificate, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::time::timeout;

use super::stock::Client;

/// Whatever is waited for comes sooner.
const SOON: Duration = Duration::from_secs(20);

/// One connection.
pub struct Library(pub client::Handle<Trusting>);

pub struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

impl Client {
    /// Signed in.
    pub async fn bare(&self, user: &str) -> Library {
        let (library, signed_in) = self.bare_with(user, self.certificate.clone()).await;
        assert!(signed_in, "signed in");
        library
    }

    /// Signed in or not, by another certificate for the same key.
    pub async fn bare_with(&self, user: &str, certificate: Certificate) -> (Library, bool) {
        let Library(mut handle) = self.stranger().await;
        let answer = handle.authenticate_openssh_cert(user, self.key.clone(), certificate).await;
        let signed_in = matches!(answer, Ok(AuthResult::Success));
        (Library(handle), signed_in)
    }

    /// Connected, and not signed in.
    pub async fn stranger(&self) -> Library {
        let config = Arc::new(client::Config { channel_buffer_size: 1 << 20, ..Default::default() });
        Library(client::connect(config, ("127.0.0.1", self.port), Trusting).await.unwrap())
    }
}

impl Library {
    /// Through this connection to a target by its name; not signed in there.
    pub async fn jump(&self, target: &str) -> Library {
        let channel = self.0.channel_open_direct_tcpip(target, 22, "10.9.8.7", 4711).await.unwrap();
        let config = Arc::new(client::Config { channel_buffer_size: 1 << 20, ..Default::default() });
        Library(client::connect_stream(config, channel.into_stream(), Trusting).await.unwrap())
    }

    /// Whether the certificate of `client` lets it in as `deploy`.
    pub async fn signs_in(&mut self, client: &Client) -> bool {
        let answer = self.0.authenticate_openssh_cert("deploy", client.key.clone(), client.certificate.clone()).await;
        matches!(answer, Ok(AuthResult::Success))
    }

    pub async fn open(&self) -> Talk {
        self.try_open().await.unwrap()
    }

    pub async fn try_open(&self) -> Result<Talk, russh::Error> {
        let (read, write) = timeout(SOON, self.0.channel_open_session()).await.expect("an answer")?.split();
        Ok(Talk { read, write, got: Got::default() })
    }

    /// Starts a command.
    pub async fn exec(&self, command: impl Into<Vec<u8>>) -> Talk {
        let talk = self.open().await;
        talk.write.exec(true, command.into()).await.unwrap();
        talk
    }

    /// Runs a command without input to its end.
    pub async fn run(&self, command: impl Into<Vec<u8>>) -> Got {
        let talk = self.exec(command).await;
        talk.write.eof().await.unwrap();
        talk.ends().await
    }
}

/// One channel.
pub struct Talk {
    read: ChannelReadHalf,
    pub write: ChannelWriteHalf<client::Msg>,
    pub got: Got,
}

/// What came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Got {
    pub out: String,
    pub err: String,
    pub status: Option<u32>,
    pub signal: Option<String>,
    /// Answers to requests, in order.
    pub answers: Vec<bool>,
    pub ended: bool,
}

impl Talk {
    /// Takes what comes until `enough`, or to the end.
    pub async fn until(&mut self, enough: impl Fn(&Got) -> bool) -> &Got {
        let taking = async {
            while !enough(&self.got) && !self.got.ended {
                self.take().await;
            }
        };
        timeout(SOON, taking).await.unwrap_or_else(|_| panic!("it never came; only {:?}", self.got));
        &self.got
    }

    pub async fn ends(mut self) -> Got {
        self.until(|_| false).await;
        self.got
    }

    /// Whether something comes within `span`.
    pub async fn hears_within(&mut self, span: Duration) -> bool {
        timeout(span, self.take()).await.is_ok()
    }

    async fn take(&mut self) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self.read.wait().await {
            Some(ChannelMsg::Data { data }) => self.got.out.push_str(&text(&data)),
            Some(ChannelMsg::ExtendedData { data, .. }) => self.got.err.push_str(&text(&data)),
            Some(ChannelMsg::ExitStatus { exit_status }) => self.got.status = Some(exit_status),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => self.got.signal = Some(format!("{signal_name:?}")),
            Some(ChannelMsg::Success) => self.got.answers.push(true),
            Some(ChannelMsg::Failure) => self.got.answers.push(false),
            Some(ChannelMsg::Close) | None => self.got.ended = true,
            Some(_) => {}
        }
    }
}
