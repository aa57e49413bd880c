//! SSH in, SSH out. Decides nothing: it asks `session` and carries permits.
//!
//! Accepts connections, bounds those that have not signed in, and gives each a task.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::Certificate;
use russh::server;
use russh::{Disconnect, MethodKind, MethodSet, Preferred, SshId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, debug, info_span, warn};

use crate::clock::Clock;
use crate::console::Console;
use crate::drain::Drain;
use crate::identity::Identities;
use crate::session::Sessions;
use crate::session::limits::Limit;

pub mod address;
mod again;
mod algorithms;
mod asked;
mod back;
pub mod breaker;
mod busy;
mod channel;
mod connection;
mod console;
mod echo;
mod forward;
mod guarded;
mod held;
pub mod hello;
mod host_check;
mod jump;
mod lent;
mod limit;
mod lines;
mod listener;
mod pace;
mod piped;
pub mod probe;
mod pump;
pub mod reach;
mod refuse;
pub mod request;
pub mod sftp;
mod sign_in;

mod stream;
mod toward;
mod unauthenticated;
mod upstream;
mod watch;
mod way;

use busy::{Busy, idle};
use connection::{Connection, WINDOW};
use jump::{Jumps, Road};
use sign_in::Patience;
use stream::{Control, Steered};
use unauthenticated::Places;

/// What whoever is signing in gets to do so, once the bastion stops.
const SIGN_IN_WHILE_STOPPING: Duration = Duration::from_secs(5);
/// Sign-ins at a prompt: in all, and from one address.
const PROMPTED: usize = 256;
const PROMPTED_EACH: usize = 4;
/// What is left of a connection that ends from our side.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How the bastion calls itself (RFC 4253 §4.2).
const VERSION_LINE: &str = "SSH-2.0-Sallyport\r\n";

/// So long a client's offer is waited for. Where it takes longer the network does, and a faster cipher changes little.
const HELLO_WITHIN: Duration = Duration::from_millis(5);

/// Limits of the gateway.
#[derive(Clone, Debug)]
pub struct Settings {
    /// From the first byte to the end of authentication.
    pub login_grace: Duration,
    /// A silent client is asked for a sign of life so often; three without answer end the connection.
    pub keep_alive: Duration,
    /// Connections that have not signed in: in all, and from one source prefix.
    pub unauthenticated: (usize, usize),
    /// Connections in all.
    pub connections: usize,
    /// Session channels of one connection.
    pub channels: usize,
    /// What open sessions get to end when the bastion stops.
    pub grace: Duration,
    /// What somebody is told who has no certificate: how to get one. ASCII, one line.
    pub sign_in: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            login_grace: Duration::from_secs(30),
            keep_alive: Duration::from_secs(30),
            unauthenticated: (256, 64),
            connections: 1000,
            channels: 64,
            grace: Duration::from_secs(30),
            sign_in: "get one with sallyport login".to_owned(),
        }
    }
}

/// The rooms below, and what the listener shows.
#[derive(Debug)]
pub struct Rooms {
    /// Governed sessions.
    pub sessions: Sessions,
    /// Who somebody is.
    pub identities: Identities,
    /// The bastion's own commands.
    pub console: Console,
    /// The time.
    pub clock: Clock,
    /// Tasks.
    pub drain: Drain,
    /// Limits.
    pub settings: Settings,
    /// Targets that are left alone.
    pub breaker: breaker::Breaker,
}

/// What the listener proves itself with: its key, and the certificate for it.
pub struct HostProof {
    /// The host key.
    pub key: PrivateKey,
    /// Its host certificate, if there is one.
    pub certificate: Option<Certificate>,
}

/// Whoever sends one hears back from the accept loop, or that it is gone.
pub type Asked = oneshot::Sender<()>;

/// Accepts connections until the drain stops; says that it is there when `asked`. Connections that are open then go on until they end or are cut.
pub async fn serve(listener: TcpListener, rooms: Arc<Rooms>, proof: HostProof, mut asked: mpsc::Receiver<Asked>) {
    let offers = Offers::new(&rooms.settings, &proof, &[MethodKind::PublicKey, MethodKind::KeyboardInteractive]);
    let (all, each) = rooms.settings.unauthenticated;
    let places = Places::new(all, each);
    // Sign-ins at a prompt take minutes: a pool of their own.
    let prompted = Places::new(PROMPTED, PROMPTED_EACH);
    let jumps = Arc::new(Jumps::new(Places::new(all, each)));
    let all_connections = Arc::new(Semaphore::new(rooms.settings.connections));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(asked) = asked.recv() => {
                let _ = asked.send(());
                continue;
            }
            () = rooms.drain.stopping().cancelled() => return,
        };
        let (stream, source) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: connections that end give some back.
                warn!(?error, "accept");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        rooms.sessions.count_connection();
        let control = Control::default();
        let Some(place) = places.take(source.ip(), Some(&control)) else {
            debug!(%source, "no place for a connection that has not signed in");
            rooms.sessions.limits().met.refused(Limit::Unauthenticated, rooms.clock.now());
            continue;
        };
        if place.made_room {
            debug!(%source, "another connection that had not signed in made room");
            rooms.sessions.limits().met.refused(Limit::Unauthenticated, rooms.clock.now());
        }
        let Ok(counted) = all_connections.clone().try_acquire_owned() else {
            debug!(%source, "no place for one more connection");
            rooms.sessions.limits().met.refused(Limit::Connections, rooms.clock.now());
            continue;
        };
        let (offers, rooms, places) = (offers.clone(), rooms.clone(), (place, prompted.clone()));
        let road = Road::Network(jumps.clone());
        let drain = rooms.drain.clone();
        drain.spawn(async move {
            let _counted = counted;
            let (authenticated, has_authenticated) = oneshot::channel();
            let busy = Busy::default();
            let id = connection_id();
            let span = info_span!("connection", connection = %id, %source, identity = Empty);
            let about = (id, span.clone());
            let patience = Patience::default();
            let parts = (control.clone(), busy.clone(), patience.clone());
            let connection = Connection::new(rooms.clone(), (source, road), places, authenticated, parts, about);
            let _ = stream.set_nodelay(true);
            let run = run(offers, stream, connection, (control, busy, patience), has_authenticated, &rooms);
            if let Err(error) = run.instrument(span.clone()).await {
                span.in_scope(|| debug!(?error, "connection"));
            }
        });
    }
}

async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    offers: Offers,
    stream: S,
    connection: Connection,
    (control, busy, patience): (Control, Busy, Patience),
    authenticated: oneshot::Receiver<()>,
    rooms: &Rooms,
) -> Result<(), russh::Error> {
    let mut steered = Steered::new(stream, control.clone());
    let grace = rooms.settings.login_grace;
    let late = || io::Error::new(io::ErrorKind::TimedOut, "login grace is over");
    let begin = async {
        let config = offers.to(&mut steered).await?;
        server::run_stream(config, steered, connection).await
    };
    let mut session = timeout(grace, begin).await.map_err(|_| late())??;
    let cutting = rooms.drain.cutting();
    let stopping = rooms.drain.stopping();
    // Whoever was accepted gets in, also when the bastion begins to stop meanwhile: no attempt is lost to a restart.
    let too_late = async {
        stopping.cancelled().await;
        sleep(SIGN_IN_WHILE_STOPPING).await;
    };
    let signed_in = tokio::select! {
        ended = &mut session => return ended,
        signed_in = in_time(authenticated, grace, &patience) => signed_in,
        () = too_late => false,
        () = cutting.cancelled() => false,
    };
    if !signed_in && !stopping.is_cancelled() {
        control.kill();
        return session.await;
    }
    let over = async {
        if signed_in {
            idle(stopping, busy).await;
        }
    };
    tokio::select! {
        ended = &mut session => return ended,
        () = over => {
            let why = "the bastion is stopping; connect again in a minute".to_owned();
            let _ = session.handle().disconnect(Disconnect::ByApplication, why, String::new()).await;
        }
        () = cutting.cancelled() => {}
    }
    // Its channels say why first; they watch the same token.
    match timeout(LAST_WORDS, &mut session).await {
        Ok(ended) => ended,
        Err(_) => {
            control.kill();
            session.await
        }
    }
}

/// Whether somebody signed in within the grace, or within what a person gets who was shown a prompt.
async fn in_time(mut authenticated: oneshot::Receiver<()>, grace: Duration, patience: &Patience) -> bool {
    match (timeout(grace, &mut authenticated).await, patience.more()) {
        (Ok(signed_in), _) => signed_in.is_ok(),
        (Err(_), None) => false,
        (Err(_), Some(more)) => matches!(timeout(more, authenticated).await, Ok(Ok(()))),
    }
}

/// The server's side of a key exchange.
#[derive(Clone)]
struct Offers {
    to_all: Arc<server::Config>,
    /// To a client that knows AES-GCM, where it is worth it.
    of_aes: Option<Arc<server::Config>>,
}

impl Offers {
    fn new(settings: &Settings, proof: &HostProof, methods: &[MethodKind]) -> Self {
        let to = |preferred: Preferred| Arc::new(config(settings, proof, methods, preferred));
        Self { to_all: to(algorithms::preferred()), of_aes: algorithms::with_aes_gcm().map(to) }
    }

    /// What this client is offered. One that says too late what it knows, or waits for our offer first, is offered all.
    async fn to<S: AsyncRead + AsyncWrite + Unpin>(&self, client: &mut Steered<S>) -> io::Result<Arc<server::Config>> {
        let Some(of_aes) = &self.of_aes else { return Ok(self.to_all.clone()) };
        let knows = client.hear(VERSION_LINE.as_bytes(), hello::knows_aes_gcm, HELLO_WITHIN).await?;
        Ok(if knows == Some(true) { of_aes.clone() } else { self.to_all.clone() })
    }
}

fn config(settings: &Settings, proof: &HostProof, methods: &[MethodKind], preferred: Preferred) -> server::Config {
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed(VERSION_LINE.trim_ascii_end())),
        methods: MethodSet::from(methods),
        // There is no password to guess: a wrong key is answered at once, so that an agent with many keys gets through.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 20,
        keys: vec![proof.key.clone()],
        certificates: proof.certificate.clone().into_iter().collect(),
        window_size: WINDOW,
        maximum_packet_size: 32 * 1024,
        // The library's own queue is the buffer, so that its loop never waits; the bound in bytes is the window.
        channel_buffer_size: 1 << 20,
        preferred,
        inactivity_timeout: None,
        keepalive_interval: Some(settings.keep_alive),
        keepalive_max: 3,
        nodelay: true,
        ..server::Config::default()
    }
}

/// How a packet counts in a backlog: one-byte packets cost memory too.
fn count(len: usize) -> usize {
    len + 256
}

/// Names a connection in records: 16 hex digits.
fn connection_id() -> String {
    let id = crate::domain::RecordId::new(crate::domain::Timestamp::from_micros(0)).to_bytes();
    id.iter().skip(8).map(|byte| format!("{byte:02x}")).collect()
}
