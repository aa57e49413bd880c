//! A connection to a target that has no channel of ours: the target listens for a client, and opens channels itself.

use tokio::time::timeout;

use super::super::back::{Door, Open};
use super::{Backlog, Error, GOODBYE, STEP, SignedIn};
use crate::session::budget::Share;
use crate::session::permit::ListenPermit;

impl SignedIn {
    /// Asks the target to listen where the permit says. On which port it does; 0 for a socket.
    pub(crate) async fn listen(&self, permit: &ListenPermit, share: &Share) -> Result<u16, Error> {
        let at = permit.listen();
        self.backlog.charge(share);
        // What comes right behind its yes is let in, and judged once it is known where it listens.
        self.door.open(Open::Arrivals);
        let asking = async {
            if at.is_socket() {
                self.handle.streamlocal_forward(at.host()).await.map(|()| 0)
            } else {
                self.handle.tcpip_forward(at.host(), u32::from(at.port())).await
            }
        };
        match timeout(STEP, asking).await {
            Ok(Ok(_)) if at.is_socket() || at.port() != 0 => Ok(at.port()),
            // It was to choose a port.
            Ok(Ok(port)) => u16::try_from(port).ok().filter(|port| *port != 0).ok_or(Error::NotGranted(LISTENING)),
            Ok(Err(russh::Error::RequestDenied)) => Err(Error::NotGranted(LISTENING)),
            Ok(Err(error)) => Err(Error::Ssh(error)),
            Err(_) => Err(Error::TimedOut("request")),
        }
    }

    /// Has it listen no more; connections that it took go on.
    pub(crate) async fn listen_no_more(&self, permit: &ListenPermit, port: u16) {
        let at = permit.listen();
        let asking = async {
            if at.is_socket() {
                self.handle.cancel_streamlocal_forward(at.host()).await
            } else {
                self.handle.cancel_tcpip_forward(at.host(), u32::from(port)).await
            }
        };
        // Where it cannot be told, the end of the connection tells it.
        let _ = timeout(GOODBYE, asking).await;
    }

    /// What the target opens towards the client comes in there.
    pub(in super::super) fn door(&self) -> &Door {
        &self.door
    }

    /// What came from the target and waits.
    pub(crate) fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// While reading is paused the target would take us for dead: a word that wants no answer keeps it.
    pub(crate) async fn keep_alive_while_paused(&self) {
        if self.control.is_paused() {
            let _ = timeout(GOODBYE, self.handle.send_keepalive(false)).await;
        }
    }
}

const LISTENING: &str = "to listen there";
