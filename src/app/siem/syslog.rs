//! Syslog over TLS: RFC 5424 messages, framed as RFC 5425 says.
//!
//! Syslog knows no acknowledgement. So each batch has a connection of its own, and counts as received once the receiver,
//! after our end of the stream, has ended it too: a receiver that dies before it has read everything does not.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Message;
use super::sink::Tls;
use crate::domain::printable;
use crate::domain::target::Address;

/// Facility 13, "log audit".
const FACILITY: u8 = 13;
/// A receiver has nothing to say; more than this is none.
const SAID_BYTES: usize = 4096;

/// A receiver.
pub(super) struct Syslog {
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
    abrupt: bool,
}

impl Syslog {
    pub(super) fn new(address: &Address, tls: &Tls, abrupt: bool) -> Result<Self, String> {
        let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(tls.client()?));
        Ok(Self { host: address.host.clone(), port: address.port, name, connector, abrupt })
    }

    pub(super) async fn send(&mut self, messages: &[Message]) -> Result<(), String> {
        let framed: String = messages.iter().map(|message| framed(&text(message))).collect();
        self.deliver(framed.as_bytes()).await.map_err(|error| error.to_string())
    }

    async fn deliver(&self, bytes: &[u8]) -> io::Result<()> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let mut tls = self.connector.connect(self.name.clone(), tcp).await?;
        tls.write_all(bytes).await?;
        tls.flush().await?;
        tls.shutdown().await?;
        let mut said = 0;
        let mut buffer = [0; 512];
        loop {
            match tls.read(&mut buffer).await {
                Ok(0) => return Ok(()),
                Ok(count) if said + count <= SAID_BYTES => said += count,
                Ok(_) => return Err(io::Error::other("the receiver talks: it is no syslog")),
                // RFC 5425 4.4 asks for a close_notify; without one nobody knows why the connection ended.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return if self.abrupt {
                        Ok(())
                    } else {
                        Err(io::Error::other("the receiver closed without close_notify"))
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// `<PRI>1 TIME HOST APP PROCID MSGID SD MSG`. The event is plain ASCII, so no byte order mark is due.
fn text(message: &Message) -> String {
    let entry = &message.entry;
    let severity = match entry.code().as_bytes().last() {
        Some(b'E') => 3,
        Some(b'W') => 4,
        _ => 6,
    };
    let priority = FACILITY * 8 + severity;
    let host: String = printable(entry.node(), 255).replace(' ', "-");
    // `boot` names the process for ever, which a process id does not.
    format!("<{priority}>1 {} {host} sallyport {} {} - {}", entry.time(), entry.boot(), entry.code(), message.line)
}

fn framed(message: &str) -> String {
    let mut framed = String::with_capacity(message.len() + 8);
    let _ = write!(framed, "{} {message}", message.len());
    framed
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ledger::entry;

    #[test]
    fn a_message_is_one_of_rfc_5424() {
        let bytes = std::fs::read("recordings-schema/examples/events/clock.step.json").unwrap();
        let entry = entry::decode(&Bytes::from(bytes.trim_ascii().to_vec())).unwrap();
        let (time, boot) = (entry.time(), entry.boot().to_owned());
        let message = Message { entry, line: "{}".to_owned() };
        // A step of the clock is a warning: 13 * 8 + 4.
        let expect = format!("<108>1 {time} bastion-1 sallyport {boot} SP7003W - {{}}");
        assert_eq!(text(&message), expect);
        assert_eq!(framed("<108>1 x"), "8 <108>1 x");
    }
}
