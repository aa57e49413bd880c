//! The config file as written: every table, every key, and nothing of what they mean.
//!
//! TOML is parsed here and nowhere else. A key that is not known and a value of the wrong kind are
//! faults, all found in one go, each with its key path.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::policy::nearest;

pub mod cases;
pub mod commands;
pub mod mask;
pub mod siem;

/// One fault of the config: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the key, such as `target[2].host_key`, or of a file.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// Every fault of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Notes one more.
    pub fn add(&mut self, path: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Fault { path: path.into(), what: what.into(), mend: mend.into() });
    }

    /// Notes what is wrong with the file `name`.
    pub fn add_of(&mut self, name: &str, faults: Faults) {
        self.0.extend(faults.0.into_iter().map(|mut fault| {
            fault.path = format!("{name}: {}", fault.path);
            fault
        }));
    }

    /// The value, or a fault that it is missing.
    pub fn required<T>(&mut self, path: &str, value: Option<T>, mend: &str) -> Option<T> {
        // A value of the wrong kind was there: one fault is enough.
        if value.is_none() && !self.0.iter().any(|fault| fault.path == path) {
            self.add(path, "is missing", mend);
        }
        value
    }

    /// The value, or a fault with its error.
    pub fn check<T, E: fmt::Display>(&mut self, path: &str, value: Result<T, E>, mend: &str) -> Option<T> {
        value.map_err(|error| self.add(path, error.to_string(), mend)).ok()
    }

    fn unknown(&mut self, table: &toml::Table, path: &str, known: &[&str]) {
        for key in table.keys() {
            let mend = match nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("remove it; known here: {}", known.join(" ")),
            };
            self.add(join(path, key), "is not a key that exists here", mend);
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let newline = if at > 0 { "\n" } else { "" };
            write!(f, "{newline}{}: {}; {}", fault.path, fault.what, fault.mend)?;
        }
        Ok(())
    }
}

/// A kind of value that a key can have.
pub trait Shape: Sized {
    /// Reads it; faults are noted under `path`.
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self>;
}

/// Values without keys of their own.
macro_rules! leaf {
    ($($kind:ty = $mend:literal),* $(,)?) => {$(
        impl Shape for $kind {
            fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
                plain(value, path, $mend, faults)
            }
        }
    )*};
}
leaf! {
    String = "write a text in quotes",
    bool = "write true or false",
    u32 = "write a whole number",
    u64 = "write a whole number",
    Vec<String> = "write a list of texts: [\"a\", \"b\"]",
    BTreeMap<String, String> = "write a table of texts: { a = \"b\" }",
}

fn plain<T: DeserializeOwned>(value: toml::Value, path: &str, mend: &str, faults: &mut Faults) -> Option<T> {
    match T::deserialize(value) {
        Ok(value) => Some(value),
        Err(error) => {
            faults.add(path, error.message(), mend);
            None
        }
    }
}

/// One text or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl Shape for Texts {
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
        match value {
            toml::Value::String(text) => Some(Self(vec![text])),
            other => plain(other, path, "write a text in quotes, or a list of them", faults).map(Self),
        }
    }
}

/// Conditions on claims: each a text, or a list of texts of which one must be there.
impl Shape for BTreeMap<String, Texts> {
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
        let table: toml::Table = plain(value, path, "write a table: { claim = \"value\" }", faults)?;
        let read = |(key, value): (String, toml::Value)| {
            let texts = Texts::read(value, &join(path, &key), faults)?;
            Some((key, texts))
        };
        Some(table.into_iter().filter_map(read).collect())
    }
}

/// A table that may be written any number of times, as `[[name]]`; each with its place in the file.
#[derive(Clone, Debug)]
pub struct Each<T>(pub Vec<T>);

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Shape> Shape for Each<T> {
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
        let tables: Vec<toml::Value> = plain(value, path, &format!("write it as [[{path}]]"), faults)?;
        let read = |(at, table)| T::read(table, &format!("{path}[{}]", at + 1), faults);
        Some(Self(tables.into_iter().enumerate().filter_map(read).collect()))
    }
}

/// Declares a table by its keys. `KEYS` is what the file may have, so the documentation can be held against it.
macro_rules! table {
    ($($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $key:ident: $kind:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            /// Where it stands in the file.
            pub path: String,
            $($(#[$about])* pub $key: Option<$kind>,)*
        }

        impl $name {
            /// Every key that may stand here.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }

        impl Shape for $name {
            fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
                let mut table: toml::Table = plain(value, path, "write it as a table", faults)?;
                $(let $key = table
                    .remove(stringify!($key))
                    .and_then(|value| Shape::read(value, &join(path, stringify!($key)), faults));)*
                faults.unknown(&table, path, Self::KEYS);
                Some(Self { path: path.to_owned(), $($key),* })
            }
        }
    )*};
}
use table;

table! {
    /// The whole file.
    File {
        /// The bastion's public host name.
        name: String,
        /// Folder of everything that the bastion keeps.
        state: String,
        /// `[ledger]`
        ledger: Ledger,
        /// `[ssh]`
        ssh: Ssh,
        /// `[http]`
        http: Http,
        /// `[[issuer]]`
        issuer: Each<Issuer>,
        /// `[[group]]`
        group: Each<Group>,
        /// `[[person]]`
        person: Each<Person>,
        /// `[[target]]`
        target: Each<Target>,
        /// `[policy]`
        policy: Policy,
        /// `[approval]`
        approval: Approval,
        /// `[[notify]]`
        notify: Each<Notify>,
        /// `[[siem]]`
        siem: Each<siem::Siem>,
        /// `[recording]`
        recording: Recording,
        /// `[sign_in]`
        sign_in: SignIn,
        /// `[mask]`
        mask: mask::Mask,
        /// `[limits]`
        limits: Limits,
        /// `[ops]`
        ops: Ops,
    }
    /// `[ops]`
    Ops {
        /// Where metrics and health are answered.
        listen: String,
    }
    /// `[ledger]`
    Ledger {
        /// Outside the state folder: an old copy of the store is noticed.
        last_checkpoint_file: String,
        /// A tlog-policy: the log's own key, its witnesses with their addresses, and how many must sign.
        witness_file: String,
        /// A timestamping authority (RFC 3161).
        timestamp_url: String,
        /// Between two stamps.
        timestamp_every: String,
        /// A folder that gets a copy of the log.
        copy_dir: String,
        /// An object store that gets one.
        s3: S3,
    }
    /// `[ledger.s3]`
    S3 {
        /// Endpoint, bucket and what names begin with.
        url: String,
        /// The region that requests are signed for.
        region: String,
        /// The name of the key.
        key_id: String,
        /// A file with the key.
        secret_file: String,
        /// Who must have signed the store's certificate; else whoever the system trusts.
        ca_file: String,
        /// For how long nobody may remove an object.
        lock: String,
        /// Between two checkpoints that are copied.
        every: String,
        /// Plain HTTP is permitted.
        internal: bool,
    }
    /// `[ssh]`
    Ssh {
        /// Address and port to listen on.
        listen: String,
        /// Host and port as clients reach it; printed in every `ssh` line.
        address: String,
    }
    /// `[http]`
    Http {
        /// Address and port to listen on.
        listen: String,
        /// Address as clients reach it.
        url: String,
        /// Certificate chain, PEM.
        tls_cert_file: String,
        /// Its private key, PEM.
        tls_key_file: String,
        /// Addresses of the proxies that speak TLS for us.
        behind_proxy: Vec<String>,
        /// Whether everybody may see the log's checkpoint and hashes.
        serve_log: bool,
    }
    /// `[[issuer]]`
    Issuer {
        /// Short name in principals and policy.
        name: String,
        /// Kind of issuer.
        profile: String,
        /// Its `iss`, byte for byte.
        url: String,
        /// The OAuth client first, then further audiences.
        client_id: Texts,
        /// Conditions on claims.
        require: BTreeMap<String, Texts>,
        /// Every subject of this issuer is our own.
        single_tenant: bool,
        /// The device flow is offered.
        device: bool,
        /// Plain HTTP and private addresses are permitted.
        internal: bool,
        /// Claim that lists groups.
        groups_claim: String,
        /// Further claims for policy.
        keep: Vec<String>,
        /// Scopes beside `openid`.
        scopes: Vec<String>,
        /// Signature algorithms.
        algorithms: Vec<String>,
    }
    /// `[[group]]`
    Group {
        /// Name in policy.
        name: String,
        /// `issuer:subject`, or `issuer/group` for one that the issuer asserts.
        members: Vec<String>,
    }
    /// `[[target]]`
    Target {
        /// Name.
        name: String,
        /// Further names.
        aliases: Vec<String>,
        /// Host and port.
        address: String,
        /// Accounts that may be asked for.
        logins: Vec<String>,
        /// The account of `+name`.
        default_login: String,
        /// Labels for policy.
        labels: BTreeMap<String, String>,
        /// `posix`, if that is the login's shell.
        shell: String,
        /// Public keys of the host.
        host_key: Texts,
        /// Authorities for the host's certificate.
        host_ca_file: String,
        /// A lasting key for a host without certificates.
        key_file: String,
        /// Our address as the host sees it.
        seen_as: String,
        /// Further environment variables to pass on.
        env: Vec<String>,
        /// The address may be loopback.
        allow_loopback: bool,
    }
    /// `[policy]`
    Policy {
        /// Folder of `*.cedar`.
        dir: String,
        /// Environments that targets may belong to.
        environments: Vec<String>,
        /// Files that add to what is known about commands.
        commands: Vec<String>,
        /// Files of cases that the policy must answer as expected.
        tests: Vec<String>,
    }
    /// `[approval]`
    Approval {
        /// The one issuer whose people may vote.
        issuer: String,
        /// Open requests of one person.
        per_person: u32,
        /// Open requests for one target.
        per_target: u32,
        /// How long what was denied is not asked again.
        denied_for: String,
    }
    /// `[[notify]]`
    Notify {
        /// Name in records.
        name: String,
        /// `webhook`, `chat` or `command`.
        kind: String,
        /// Where to.
        url: String,
        /// A file that holds the address, where that is a secret.
        url_file: String,
        /// A file that holds the key of the webhook's signature.
        secret_file: String,
        /// A program and its arguments.
        command: Vec<String>,
        /// Plain HTTP is permitted.
        internal: bool,
    }
    /// `[recording]`
    Recording {
        /// Most that one session may store.
        max_recording: String,
    }
    /// `[sign_in]`
    SignIn {
        /// How long a sign-in lasts at most.
        max_age: String,
        /// How long a user certificate of a person lasts at most.
        certificate: String,
        /// How long a proved key is remembered at most.
        remember: String,
    }
    /// `[limits]`
    Limits {
        /// From connection to sign-in.
        login_grace: String,
        /// Between two signs of life of a client.
        keepalive: String,
        /// Connections at a time.
        connections: u32,
        /// Connections that have not signed in yet.
        unauthenticated: u32,
        /// Connections of one person at a time.
        connections_per_person: u32,
        /// Channels of one connection at a time.
        channels_per_connection: u32,
        /// Memory for all relays together.
        memory: String,
        /// Memory for the relay of one channel.
        memory_per_channel: String,
        /// No session begins under so much free disk.
        disk_reserve: String,
        /// Running ones are cut under so much.
        disk_last: String,
        /// Recordings of one person in a day.
        recorded_per_person: String,
        /// To end open sessions when the bastion stops.
        drain: String,
    }
}

/// `[[person]]`: one human under several names; the keys are names of issuers.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Where it stands in the file.
    pub path: String,
    /// Name of an issuer, or of an issuer and a claim, to the value there.
    pub names: BTreeMap<String, String>,
}

impl Shape for Person {
    fn read(value: toml::Value, path: &str, faults: &mut Faults) -> Option<Self> {
        let names = plain(value, path, "write issuer = \"subject\", each a text", faults)?;
        Some(Self { path: path.to_owned(), names })
    }
}

impl File {
    /// Reads the text of a config file. What could be read is there even if there are faults.
    pub fn parse(text: &str, faults: &mut Faults) -> Option<Self> {
        read(text, faults)
    }
}

/// Reads a whole file of tables; where its syntax is wrong, the fault names the line.
fn read<T: Shape>(text: &str, faults: &mut Faults) -> Option<T> {
    match text.parse::<toml::Table>() {
        Ok(table) => T::read(toml::Value::Table(table), "", faults),
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            faults.add(format!("line {line}"), error.message(), "see https://toml.io for the syntax");
            None
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
