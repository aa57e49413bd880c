//! Every fact that evidence can state: one closed enum, with its stable kind and code.
//!
//! A code never changes its meaning and is never used again. Free text has the type [`Text`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::identity::Flow;
use super::session::{Exit, Jump, RecordingId, SessionId};
use super::{Digest, Text, Timestamp};

pub mod anchored;
pub mod arrived;
pub mod change;
mod code;
pub mod copied;
mod decided;
pub mod exported;
mod fact;
pub mod glass;
pub mod held;
pub mod lent;
pub mod masked;
mod outcome;
pub mod sftp;
pub mod succession;

pub use decided::{Decided, Read};
pub use fact::{Actor, Fact, TargetRef};
pub use outcome::Outcome;

use change::Change;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The log was opened by a process.
    LogStart {
        /// Version of the program.
        version: String,
        /// Origin line of the log.
        origin: String,
        /// Digest of the policy set in force.
        policy: Option<Digest>,
        /// Digest of the config file as read.
        config: Option<Digest>,
    },
    /// The process ends on purpose.
    LogStop {
        /// Whether every session had ended within the grace.
        drained: bool,
    },
    /// Every 60 s. A missing one is a visible hole.
    LogHeartbeat(Counters),
    /// The wall clock stepped back; later records go on from the old time.
    ClockStep {
        /// The last time in the log.
        old: Timestamp,
        /// What the clock says.
        new: Timestamp,
    },
    /// An ID token was judged.
    AuthnOidc {
        /// Name of the issuer in the config; empty if it is none of ours.
        issuer: String,
        /// The token's `sub`, once its signature was checked.
        subject: String,
        /// The token's audiences, once checked.
        audience: Vec<String>,
        /// SHA-256 of the token's `header.payload`: its one-time use goes by this.
        token: Digest,
        /// Authentication methods.
        amr: Vec<String>,
        /// Authentication class.
        acr: Option<String>,
        /// When the person last proved themselves to the issuer.
        auth_time: Option<Timestamp>,
        /// How it came.
        flow: Flow,
        /// SHA-256 fingerprint of the SSH key it is for.
        key: String,
        /// Reason code of a refusal.
        reason: Option<&'static str>,
        /// Those claims that policy may use, once checked: what was decided on stands in the open.
        about: BTreeMap<String, String>,
        /// When everything that follows from this sign-in ends.
        until: Option<Timestamp>,
        /// All claims, as canonical JSON, once checked.
        claims: Option<Text>,
    },
    /// Somebody signed in over SSH.
    AuthnSsh {
        /// `certificate`, `remembered key` or `sign-in`.
        method: &'static str,
        /// SHA-256 fingerprint of the authority that signed the certificate; of the key, where there is no certificate.
        authority: String,
    },
    /// Failed sign-ins over SSH of one source prefix within one minute, counted.
    AuthnSshFailures {
        /// IPv4 /24 or IPv6 /64.
        prefix: String,
        /// Begin of the minute.
        minute: Timestamp,
        /// How many for each reason code.
        counts: BTreeMap<&'static str, u64>,
        /// First address seen.
        first: SocketAddr,
        /// Last address seen.
        last: SocketAddr,
        /// Key ids seen, at most 16.
        key_ids: Vec<String>,
    },
    /// A certificate is about to be handed out.
    CertIssued {
        /// `user`, `target` or `host`.
        authority: &'static str,
        /// Sequential over all authorities.
        serial: u64,
        /// Names the record and the human.
        key_id: String,
        /// Principals.
        principals: Vec<String>,
        /// From.
        valid_after: Timestamp,
        /// To.
        valid_before: Timestamp,
        /// Critical options and extensions, as `name` or `name=value`.
        options: Vec<String>,
        /// SHA-256 fingerprint of the certified key.
        key: String,
        /// Digest of the claims the certificate stands for.
        claims: Option<Digest>,
    },
    /// A plain key that was proved at a sign-in stands for its person.
    KeyRemembered {
        /// Of the same sequence as those of certificates.
        serial: u64,
        /// Names the record and the human.
        key_id: String,
        /// SHA-256 fingerprint of the key.
        key: String,
        /// To.
        valid_before: Timestamp,
        /// Whether on later connections too.
        remembered: bool,
    },
    /// Certificates or remembered keys are void from now on.
    CertRevoked {
        /// Whose, as issuer and subject.
        identity: Option<(String, String)>,
        /// Which.
        serials: Vec<u64>,
        /// Why.
        reason: Text,
    },
    /// A revoked identity may sign in again; its old certificates stay void.
    IdentityReinstated {
        /// Issuer and subject.
        identity: (String, String),
        /// Why.
        reason: Text,
    },
    /// A session begins.
    SessionStart {
        /// `shell`, `exec`, `sftp` or `forward`.
        action: &'static str,
        /// The id of the client's SSH connection, as hex.
        connection: String,
        /// Whether the client asked for a terminal.
        pty: bool,
        /// Names of environment variables that were dropped.
        env_dropped: Vec<String>,
        /// The identity's name in registers, so that the index can be made anew from the log alone.
        principal: String,
        /// The session's recording.
        recording: RecordingId,
        /// In jump mode, what its connection came through.
        jump: Option<Jump>,
    },
    /// A session ended.
    SessionEnd {
        /// See `domain::session::End`.
        reason: &'static str,
        /// More about it, from a closed set.
        detail: Option<&'static str>,
        /// Bytes from the client.
        bytes_in: u64,
        /// Bytes to the client.
        bytes_out: u64,
        /// What the target said of the end.
        exit: Option<Exit>,
        /// In milliseconds.
        duration_ms: u64,
        /// How many secrets each rule hid.
        masked: BTreeMap<Arc<str>, u64>,
    },
    /// The bastion is about to sign in at a target.
    UpstreamOpen {
        /// Serial of the target certificate.
        serial: Option<u64>,
        /// Key id shown to the target.
        key_id: Option<String>,
        /// Signed in with the target's lasting key instead: weaker.
        key_file: bool,
        /// A connection kept ready for a next channel.
        spare: bool,
        /// Our address as the target sees it.
        seen_as: String,
    },
    /// A session is about to go over a connection to its target on which an earlier session of the same client connection
    /// has signed in.
    UpstreamAgain {
        /// Serial of the certificate that it signed in with.
        serial: u64,
        /// Key id shown to the target then.
        key_id: String,
    },
    /// The connection to a target ended or never came to be.
    UpstreamClose {
        /// Why, from a closed set.
        reason: &'static str,
    },
    /// A command is about to be given to the target.
    ChannelExec {
        /// Exact bytes.
        command: Text,
        /// Length in bytes.
        length: u64,
    },
    /// A login shell is about to start.
    ChannelShell {
        /// `TERM` of the client's terminal, if it has one.
        term: Option<String>,
    },
    /// A subsystem is about to start.
    ChannelSubsystem {
        /// Its name.
        name: &'static str,
    },
    /// A connection through the target is about to be opened.
    ChannelForward {
        /// Host and port, or a socket's path, in canonical form.
        to: String,
        /// Address and port in the client's words, printable ASCII only; of a socket it says nothing.
        originator: Option<String>,
    },
    /// A program at the target is about to use the client's agent or display, or has.
    ChannelLent(lent::Lent),
    /// The target is about to listen for the client, or does.
    ChannelListen(arrived::Listening),
    /// A connection that the target took is about to be given to the client, or has ended.
    ChannelArrived(arrived::Arrived),
    /// The target opened channels that nobody had asked for, and each was refused: how many, by name.
    ChannelUnasked(BTreeMap<&'static str, u64>),
    /// Something was done to a file, or refused.
    SftpOperation(sftp::Operation),
    /// Whoever asked for the session said why.
    SessionReason {
        /// In their words.
        reason: Text,
    },
    /// Policy was asked.
    AuthzDecision(Decided),
    /// A request waits for people.
    ApprovalRequested(held::Requested),
    /// Somebody votes on one.
    ApprovalVoted(held::Voted),
    /// One is open no longer.
    ApprovalResolved(held::Resolved),
    /// Somebody is about to be shown one.
    ApprovalViewed(held::Viewed),
    /// Somebody elsewhere was told of one, or could not be.
    ApprovalNotified(held::Notified),
    /// A grant is used up.
    ApprovalUsed(held::Used),
    /// A session begins that nobody agreed to, loudly.
    GlassBroken(glass::Broken),
    /// Somebody else has looked at it.
    GlassReviewed(glass::Reviewed),
    /// A recording begins.
    RecordingOpen {
        /// Which.
        recording: RecordingId,
        /// Digest of the header line.
        header: Digest,
        /// `asciicast-v2+sallyport1`.
        format: &'static str,
        /// `default`; `transfer` where files passed under a permit; `sftp`; `forward`; `none` in logs of before masking.
        mask: String,
        /// `digest`: of what passed it has the length and the digest only. Else all of it.
        kept: Option<&'static str>,
    },
    /// So much of a recording is stored.
    RecordingCommit {
        /// Which.
        recording: RecordingId,
        /// How much.
        extent: Extent,
    },
    /// A rule hid something in a session.
    MaskApplied(masked::Applied),
    /// A session was seen unmasked.
    MaskLifted(masked::Lifted),
    /// A recording is complete.
    RecordingClose {
        /// Which.
        recording: RecordingId,
        /// How much.
        extent: Extent,
        /// In microseconds.
        duration_us: u64,
        /// How many events of each code.
        events: BTreeMap<&'static str, u64>,
        /// See `domain::session::End`.
        reason: &'static str,
        /// What the target said of the end.
        exit: Option<Exit>,
    },
    /// A recording was found open at start and sealed; how much was lost after the last frame is unknown.
    RecordingRecovered {
        /// Which.
        recording: RecordingId,
        /// How much is there.
        extent: Extent,
    },
    /// A recording could not go on.
    RecordingFailed {
        /// Which.
        recording: RecordingId,
        /// How much is there: the first offset that is not stored.
        extent: Extent,
        /// Why, from a closed set.
        reason: &'static str,
    },
    /// Registers and indexes were made anew from the log. Recordings that are not whole any more have a record each.
    StoreRebuilt {
        /// `damaged`, `missing` or `asked`.
        reason: &'static str,
        /// Where the old store lies, in the state folder; absent if there was none.
        aside: Option<String>,
        /// How many recordings are whole.
        recordings: u64,
        /// How many are not.
        recordings_lost: u64,
        /// How many texts are there.
        texts: u64,
        /// How many are not.
        texts_lost: u64,
    },
    /// A recording is not whole any more.
    RecordingLost {
        /// Which.
        recording: RecordingId,
        /// How many frames there were, as far as the log says.
        said: u64,
        /// How many of them are there, from the first on.
        frames: u64,
    },
    /// There is more, or less, room on the disk than before.
    SpaceChanged {
        /// `ample`, `low`, `last` or `gone`.
        room: &'static str,
        /// Free bytes.
        free: u64,
        /// Size of the disk.
        total: u64,
    },
    /// What was refused because a limit was met, counted: at most one record a minute.
    LimitsRefused {
        /// The first refusal.
        since: Timestamp,
        /// How many for each limit.
        counts: BTreeMap<&'static str, u64>,
    },
    /// Somebody looked at evidence.
    EvidenceViewed {
        /// `list`, `show`, `play` or `export`.
        how: &'static str,
        /// Whose session.
        session: SessionId,
    },
    /// A bundle of evidence is about to leave.
    EvidenceExported(exported::Exported),
    /// A checkpoint was shown to a timestamping authority.
    Anchored(anchored::Anchored),
    /// A copy of the log elsewhere has caught up, or cannot.
    LogCopied(copied::Copied),
    /// This log takes the place of another.
    LogSuccessor(succession::Succession),
    /// The policy set in force differs from the one before.
    PolicyChanged {
        /// Digest of the set before.
        old: Option<Digest>,
        /// Digest of the set now.
        new: Digest,
        /// Its file names.
        files: Vec<String>,
    },
    /// Other things in the config file.
    ConfigChanged(Change),
    /// Other targets, or others behind their names.
    TargetChanged(Change),
    /// Another certificate of the HTTPS listener.
    TlsChanged(Change),
}

/// Counters of a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted since start.
    pub connections: u64,
    /// Sessions open now.
    pub sessions: u64,
    /// Certificates issued since start.
    pub certificates: u64,
    /// The serial that the next certificate gets.
    pub next_serial: u64,
    /// Size of the log at the last checkpoint.
    pub checkpoint: u64,
}

/// How much of a recording is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Frames, which is the size of the tree over them.
    pub frames: u64,
    /// Bytes of text.
    pub plain_bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// RFC 6962 root over the stored frames.
    pub root: Digest,
}
