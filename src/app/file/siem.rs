//! `[[siem]]` as written.

use super::{Faults, Shape, join, plain, table};

table! {
    /// `[[siem]]`
    Siem {
        /// Its name; the place in the log that it has come to is kept under it.
        name: String,
        /// `file`, `syslog` or `otlp`.
        kind: String,
        /// A file, one event a line.
        file: String,
        /// Host and port of a syslog receiver that speaks TLS.
        address: String,
        /// Where an OTLP receiver takes logs.
        url: String,
        /// Who must have signed the receiver's certificate; else whoever the system trusts.
        ca_file: String,
        /// A certificate to show, PEM.
        cert_file: String,
        /// Its private key, PEM.
        key_file: String,
        /// A file with a bearer token.
        token_file: String,
        /// Plain HTTP is permitted.
        internal: bool,
        /// A receiver that answers the end of a stream by closing the connection, without TLS's own word for it.
        abrupt: bool,
        /// Whether it also gets what was in the log before it was named here.
        history: bool,
    }
}
