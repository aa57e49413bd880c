//! Jump mode: which target a client asks to be connected to, before it has signed in there.
//!
//! Opens nothing. What is done on that connection is decided later, like everything else.

use std::sync::Arc;

use super::Sessions;
use super::ask::Refused;
use super::judged::nowhere;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::identity::Caller;
use crate::domain::target::Target;
use crate::domain::{RecordId, printable};
use crate::policy;

/// Whoever asks for the port of SSH means the target, wherever it listens.
const SSH: u32 = 22;

impl Sessions {
    /// The target that is meant by exactly this name and port. Whatever else was asked for is refused, on record.
    pub async fn jump(&self, caller: &Caller, channel: u32, (name, port): (&str, u32)) -> Result<Arc<Target>, Refused> {
        let called = self.targets().iter().find(|target| target.is_called(name)).cloned();
        let meant = called.filter(|target| port == SSH || port == u32::from(target.address.port));
        if let Some(target) = meant {
            return Ok(target);
        }
        let policy = self.0.policy.borrow().clone();
        let decided = policy::unknown_target(&policy, "jump");
        let name = printable(name, 64);
        let place = nowhere(name.clone(), format!("{name}:{port}"), String::new());
        let event = Event::AuthzDecision(decided);
        let mut fact = Fact::new(RecordId::new(self.0.clock.now()), Outcome::Deny, event).by(caller).towards(place);
        fact.channel = Some(channel);
        self.record(vec![fact]).await?;
        Err(Refused::NoTarget(if port == SSH { name } else { format!("{name}:{port}") }))
    }
}
