//! One live connection from us to a target: dial it, check its host key, sign in once decided.
//!
//! Connecting needs nobody's leave but an authenticated client; signing in needs a certificate,
//! which exists only after the recorded decision.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{self, AuthResult};
use russh::keys::PrivateKeyWithHashAlg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::back::{Door, Open};
use super::host_check::HostCheck;
use super::pump::Waiting;
use super::request::{Display, Environment, Terminal};
use super::stream::{Control, Steered};
use super::watch::Watch;
use crate::domain::Timestamp;
use crate::domain::forward::Forward;
use crate::domain::loan::Loan;
use crate::domain::target::{Login, Target};
use crate::identity::Credential;
use crate::session::budget::Share;
use crate::session::permit::Permit;

mod error;
mod listen;

pub(crate) use error::{Error, Shown};

/// Each of the waits on a target: TCP, key exchange, sign-in, channel, request.
const STEP: Duration = Duration::from_secs(10);
/// How long a polite goodbye may take before the stream is killed.
const GOODBYE: Duration = Duration::from_secs(1);
/// Reading from a target stops over this backlog towards the client, and goes on at the second.
const PAUSE_AT: usize = 1024 * 1024;
const RESUME_AT: usize = 512 * 1024;

/// A target that was reached and has shown its host key; nobody is signed in.
pub(crate) struct Connected {
    handle: client::Handle<Watch>,
    control: Control,
    backlog: Backlog,
    door: Door,
    /// Our own address of this connection: the one that the target sees unless a NAT stands between.
    pub(crate) local: SocketAddr,
    /// Fingerprint of the host key, or of the key in the host certificate.
    pub(crate) host_key: String,
    since: Timestamp,
    /// Once it has ended: whether the target said so, or it broke.
    parted: Arc<OnceLock<bool>>,
}

/// A target that is being reached while its client's request is still on the way.
pub(crate) struct Ahead {
    /// As the config described it then.
    pub(crate) target: Arc<Target>,
    pub(crate) task: JoinHandle<Result<Connected, Error>>,
}

/// A connection on which somebody is signed in, and nothing runs.
pub(crate) struct SignedIn {
    handle: client::Handle<Watch>,
    control: Control,
    backlog: Backlog,
    door: Door,
    pub(crate) host_key: String,
    /// Our own address, as in [`Connected`].
    pub(crate) local: SocketAddr,
    /// Serial and key id of the certificate that was shown; none for a lasting key.
    pub(crate) by: Option<(u64, String)>,
    /// When it was dialled.
    pub(crate) since: Timestamp,
}

/// A signed-in connection with its one channel.
pub(crate) struct Upstream {
    on: SignedIn,
    read: Option<ChannelReadHalf>,
    pub(crate) write: Arc<ChannelWriteHalf<client::Msg>>,
    /// Whether what ran here may be followed by another session.
    pub(crate) is_kept: bool,
}

/// The bytes that came from the target and were not yet written to the client.
///
/// Counted where the library receives, taken off where the pump has written; it steers the pause.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    waiting: Waiting,
    control: Control,
}

impl Backlog {
    /// What waits from now on is held for this channel.
    pub(crate) fn charge(&self, share: &Share) {
        self.waiting.charge(share);
    }

    pub(super) fn add(&self, len: usize) {
        self.waiting.add(len);
        if self.waiting.bytes() > PAUSE_AT {
            self.control.pause(true);
            // The pump may have written everything since: then nobody else would ever resume.
            self.resume();
        }
    }

    /// The pump has passed on a packet of this length.
    pub(crate) fn written(&self, len: usize) {
        self.waiting.taken(len);
        self.resume();
    }

    fn resume(&self) {
        if self.waiting.bytes() <= RESUME_AT {
            self.control.pause(false);
        }
    }
}

/// Dials `target`, runs the key exchange and checks the host key against the config. Signs nobody in.
pub(crate) async fn connect(target: &Target, now: Timestamp) -> Result<Connected, Error> {
    let stream = timeout(STEP, dial(target)).await.map_err(|_| Error::TimedOut("connect"))??;
    let local = stream.local_addr().map_err(Error::Dial)?;
    let control = Control::default();
    let backlog = Backlog { waiting: Waiting::default(), control: control.clone() };
    let door = Door::new();
    let (seen, parted) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
    let watch = Watch {
        check: HostCheck::of(target, now).map_err(|_| Error::HostTrust)?,
        backlog: backlog.clone(),
        door: door.clone(),
        seen: seen.clone(),
        parted: parted.clone(),
        _over: door.until_over(),
    };
    let config = Arc::new(client::Config {
        preferred: watch.check.preferred(),
        window_size: 2 * 1024 * 1024,
        maximum_packet_size: 32 * 1024,
        // The library's own queue is the buffer; its bound in bytes is our pause.
        channel_buffer_size: 1 << 20,
        inactivity_timeout: None,
        keepalive_interval: None,
        nodelay: true,
        ..client::Config::default()
    });
    let steered = Steered::new(stream, control.clone());
    let connecting = client::connect_stream(config, steered, watch);
    let handle = match timeout(STEP, connecting).await {
        Ok(Ok(handle)) => handle,
        Ok(Err(Error::Ssh(error @ (russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_)))))
            if seen.get().is_none() =>
        {
            return Err(Error::TurnedAway(error));
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            control.kill();
            return Err(Error::TimedOut("key exchange"));
        }
    };
    let host_key = seen.get().cloned().unwrap_or_default();
    Ok(Connected { handle, control, backlog, door, local, host_key, since: now, parted })
}

async fn dial(target: &Target) -> Result<TcpStream, Error> {
    let address = &target.address;
    let found = lookup_host((address.host.as_str(), address.port)).await.map_err(Error::Dial)?;
    let mut last = None;
    for address in found {
        // Checked on what the name means now, not on what it meant when the config was read.
        if !target.allow_loopback && is_own(address.ip()) {
            last = Some(Error::Loopback);
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(Error::Dial)?;
                keep_alive(&stream).map_err(Error::Dial)?;
                return Ok(stream);
            }
            Err(error) => last = Some(Error::Dial(error)),
        }
    }
    Err(last.unwrap_or(Error::NoAddress))
}

fn is_own(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

/// A dead target is noticed by TCP: the library's own timers would trip while reading is paused.
fn keep_alive(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(30))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    sockopt::set_tcp_user_timeout(stream, 60_000)?;
    Ok(())
}

impl Connected {
    /// Signs in as `login` with what was recorded for this connection, and opens the one channel.
    pub(crate) async fn sign_in(
        self,
        login: &Login,
        credential: Credential,
        forward: Option<&Forward>,
    ) -> Result<Upstream, Error> {
        self.authenticate(login, credential).await?.open(forward).await
    }

    /// Signs in as `login`, and opens nothing.
    pub(crate) async fn authenticate(mut self, login: &Login, credential: Credential) -> Result<SignedIn, Error> {
        let by = match &credential {
            Credential::Certificate(_, certificate) => Some((certificate.serial(), certificate.key_id().to_owned())),
            Credential::Key(_) => None,
        };
        let answer = timeout(STEP, async {
            match credential {
                Credential::Certificate(key, certificate) => {
                    self.handle.authenticate_openssh_cert(login.as_str(), key, *certificate).await
                }
                Credential::Key(key) => {
                    let key = PrivateKeyWithHashAlg::new(key, None);
                    self.handle.authenticate_publickey(login.as_str(), key).await
                }
            }
        });
        let answer = answer.await;
        match answer {
            Ok(Ok(result)) if result.success() => {
                let Self { handle, control, backlog, door, local, host_key, since, parted: _ } = self;
                Ok(SignedIn { handle, control, backlog, door, host_key, local, by, since })
            }
            // To the library a connection that broke is a refusal that names no methods.
            Ok(Ok(AuthResult::Failure { remaining_methods, .. }))
                if remaining_methods.is_empty() && self.parted.get() == Some(&false) =>
            {
                Err(Error::Ssh(russh::Error::Disconnect))
            }
            Ok(Ok(_)) => {
                self.end().await;
                Err(Error::Refused)
            }
            Ok(Err(error)) => Err(Error::Ssh(error)),
            Err(_) => {
                self.control.kill();
                Err(Error::TimedOut("sign-in"))
            }
        }
    }

    /// Whether it still stands: a target ends what does not sign in for a while.
    pub(crate) fn is_open(&self) -> bool {
        !self.handle.is_closed()
    }

    /// Ends the connection without having signed in.
    pub(crate) async fn end(self) {
        goodbye(&self.handle, &self.control).await;
    }
}

impl SignedIn {
    /// Opens the one channel.
    pub(crate) async fn open(self, forward: Option<&Forward>) -> Result<Upstream, Error> {
        let opening = async {
            match forward {
                None => self.handle.channel_open_session().await,
                Some(Forward { to, originator: Some((from, port)) }) => {
                    let (host, to_port) = (to.host(), u32::from(to.port()));
                    self.handle.channel_open_direct_tcpip(host, to_port, from.as_str(), *port).await
                }
                Some(Forward { to, originator: None }) => self.handle.channel_open_direct_streamlocal(to.host()).await,
            }
        };
        let channel = match timeout(STEP, opening).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(russh::Error::ChannelOpenFailure(_))) if forward.is_some() => {
                self.end().await;
                return Err(Error::NotGranted("that connection"));
            }
            Ok(Err(error)) => return Err(Error::Ssh(error)),
            Err(_) => {
                self.control.kill();
                return Err(Error::TimedOut("channel"));
            }
        };
        let (read, write) = channel.split();
        Ok(Upstream { on: self, read: Some(read), write: Arc::new(write), is_kept: false })
    }

    /// Whether it still stands.
    pub(crate) fn is_open(&self) -> bool {
        !self.handle.is_closed()
    }

    /// Ends the connection.
    pub(crate) async fn end(self) {
        goodbye(&self.handle, &self.control).await;
    }
}

impl Upstream {
    /// What came from the target and waits.
    pub(crate) fn backlog(&self) -> &Backlog {
        &self.on.backlog
    }

    /// Whether another session may follow, once the target has closed the channel: nothing of this one is left.
    pub(crate) fn is_free(&self) -> bool {
        let is_usable = self.is_kept && self.on.by.is_some() && self.on.is_open();
        is_usable && !self.on.control.is_paused() && self.on.backlog.waiting.is_clear()
    }

    /// The connection without its channel.
    pub(crate) fn leave(self) -> SignedIn {
        self.on
    }

    /// The target takes what is lent, or does not: then what was asked for runs without, as with a target that is reached
    /// directly.
    async fn lent(&mut self, loan: Loan, what: &'static str) -> Result<(), Error> {
        match self.answer(what).await {
            Ok(()) => self.on.door.open(Open::Lent(loan)),
            Err(Error::NotGranted(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Starts what the permit says: sends the terminal and the environment, then exactly the permitted request.
    pub(crate) async fn start(
        &mut self,
        terminal: Option<&Terminal>,
        environment: &Environment,
        permit: Permit,
    ) -> Result<(), Error> {
        let lent = permit.lent();
        if lent.has(Loan::Agent) {
            self.write.agent_forward(true).await.map_err(Error::Ssh)?;
            self.lent(Loan::Agent, "a forwarded agent").await?;
        }
        if let Some(display) = environment.display.as_ref().filter(|_| lent.has(Loan::Display)) {
            let Display { single, protocol, cookie, screen } = display;
            let asked = self.write.request_x11(true, *single, protocol.as_str(), cookie.as_str(), *screen).await;
            asked.map_err(Error::Ssh)?;
            self.lent(Loan::Display, "a forwarded display").await?;
        }
        if let Some(terminal) = terminal {
            let (cols, rows) = (u32::from(terminal.size.cols), u32::from(terminal.size.rows));
            let (width, height) = terminal.pixels;
            let asked = self.write.request_pty(true, &terminal.term, cols, rows, width, height, &terminal.modes).await;
            asked.map_err(Error::Ssh)?;
            self.answer("a terminal").await?;
        }
        for (name, value) in &environment.passed {
            self.write.set_env(false, name.as_str(), value.as_str()).await.map_err(Error::Ssh)?;
        }
        match permit {
            Permit::Shell(_) => {
                self.write.request_shell(true).await.map_err(Error::Ssh)?;
                self.answer("a shell").await
            }
            Permit::Exec(permit) => {
                self.write.exec(true, permit.into_command().bytes().to_vec()).await.map_err(Error::Ssh)?;
                self.answer("the command").await
            }
            // It was started when its channel was opened; a target listens without one.
            Permit::Forward(_) | Permit::Listen(_) => Ok(()),
            Permit::Sftp(_) => {
                self.write.request_subsystem(true, "sftp").await.map_err(Error::Ssh)?;
                self.answer("file transfer by SFTP").await
            }
        }
    }

    /// What the target opens towards the client comes in there.
    pub(super) fn door(&self) -> &Door {
        &self.on.door
    }

    /// The half that the downward pump reads. Once.
    pub(crate) fn take_read(&mut self) -> Option<ChannelReadHalf> {
        self.read.take()
    }

    async fn answer(&mut self, asked: &'static str) -> Result<(), Error> {
        let Some(read) = self.read.as_mut() else {
            return Err(Error::NotGranted(asked));
        };
        let answer = async {
            loop {
                match read.wait().await {
                    Some(ChannelMsg::Success) => return Ok(()),
                    Some(ChannelMsg::Failure) | Some(ChannelMsg::Close) | None => return Err(Error::NotGranted(asked)),
                    // Window grants come at any time; output does not come before a request was granted.
                    Some(_) => {}
                }
            }
        };
        timeout(STEP, answer).await.unwrap_or(Err(Error::TimedOut("request")))
    }

    /// While reading is paused the target would take us for dead: a word that wants no answer keeps it.
    pub(crate) async fn keep_alive_while_paused(&self) {
        if self.on.control.is_paused() {
            let _ = timeout(GOODBYE, self.on.handle.send_keepalive(false)).await;
        }
    }

    /// Ends the connection: politely, then for sure.
    pub(crate) async fn end(self) {
        let _ = timeout(GOODBYE, self.write.close()).await;
        self.on.end().await;
    }
}

async fn goodbye(handle: &client::Handle<Watch>, control: &Control) {
    // A paused reader would keep the library from seeing that the target has closed.
    control.pause(false);
    let _ = timeout(GOODBYE, handle.disconnect(Disconnect::ByApplication, "session ended", "en")).await;
    control.kill_soon(GOODBYE);
}
