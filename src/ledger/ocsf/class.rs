//! Which OCSF class and activity a kind of record is. A kind that has no better one is "Application Lifecycle, Other".

use crate::domain::event::Outcome;

/// A class, an activity of it, and what goes with both.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) uid: u32,
    pub(super) name: &'static str,
    pub(super) activity: u32,
    pub(super) activity_name: &'static str,
    /// The profile `security_control` applies.
    pub(super) controls: bool,
    /// The type of the entity that is managed.
    pub(super) entity: Option<(u32, &'static str)>,
    /// Of a finding.
    pub(super) title: &'static str,
}

impl Class {
    const fn of(uid: u32, name: &'static str, activity: u32, activity_name: &'static str) -> Self {
        Self { uid, name, activity, activity_name, controls: false, entity: None, title: "" }
    }

    const fn is(mut self, id: u32, kind: &'static str) -> Self {
        self.entity = Some((id, kind));
        self
    }

    const fn controls(mut self) -> Self {
        self.controls = true;
        self
    }

    const fn titled(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    /// The first digit of its number.
    pub(super) const fn category(&self) -> u32 {
        self.uid / 1000
    }
}

const fn authentication(activity: u32, name: &'static str) -> Class {
    Class::of(3002, "Authentication", activity, name)
}

const fn entity(activity: u32, name: &'static str) -> Class {
    Class::of(3004, "Entity Management", activity, name)
}

const fn ssh(activity: u32, name: &'static str) -> Class {
    Class::of(4007, "SSH Activity", activity, name)
}

const fn api(activity: u32, name: &'static str) -> Class {
    Class::of(6003, "API Activity", activity, name)
}

const fn lifecycle(activity: u32, name: &'static str) -> Class {
    Class::of(6002, "Application Lifecycle", activity, name)
}

const fn process(activity: u32, name: &'static str) -> Class {
    Class::of(1007, "Process Activity", activity, name)
}

const fn finding(activity: u32, name: &'static str) -> Class {
    Class::of(2004, "Detection Finding", activity, name).titled("Approval was gone past")
}

/// The class of a kind.
pub(super) fn class(kind: &str, outcome: Outcome) -> &'static Class {
    let good = outcome.is_good();
    match kind {
        "authn.oidc" | "authn.ssh" | "authn.ssh_failures" => const { &authentication(1, "Logon") },
        "cert.issued" => const { &authentication(99, "Certificate Issued") },
        "cert.revoked" => const { &entity(9, "Disable").is(2, "User") },
        "identity.reinstated" => const { &entity(8, "Enable").is(2, "User") },
        "key.remembered" => const { &entity(6, "Enroll").is(2, "User") },
        "session.start" | "upstream.open" | "upstream.again" if good => const { &ssh(1, "Open") },
        "session.start" | "upstream.open" | "upstream.again" => const { &ssh(4, "Fail") },
        "session.end" | "upstream.close" => const { &ssh(2, "Close") },
        "session.reason" => const { &ssh(99, "Reason") },
        "channel.exec" | "channel.shell" => const { &process(1, "Launch") },
        "channel.subsystem" => const { &ssh(99, "Subsystem") },
        "channel.agent" => const { &ssh(99, "Agent") },
        "channel.display" => const { &ssh(99, "Display") },
        "channel.forward" => const { &ssh(99, "Forward") },
        "channel.listen" => const { &ssh(99, "Listen") },
        "channel.arrived" => const { &ssh(99, "Arrival") },
        "channel.unasked" => const { &ssh(99, "Unasked") },
        "sftp.operation" => const { &Class::of(1001, "File System Activity", 99, "SFTP Operation") },
        "recording.open" => const { &ssh(99, "Recording Opened") },
        "recording.commit" => const { &ssh(99, "Recording Committed") },
        "recording.close" => const { &ssh(99, "Recording Closed") },
        "recording.recovered" => const { &ssh(99, "Recording Recovered") },
        "recording.failed" => const { &ssh(99, "Recording Failed") },
        "recording.lost" => const { &ssh(99, "Recording Lost") },
        "mask.applied" => {
            const {
                &Class::of(2006, "Data Security Finding", 1, "Create")
                    .titled("A secret was masked in a session")
                    .controls()
            }
        }
        "mask.lifted" => {
            const { &Class::of(2006, "Data Security Finding", 1, "Create").titled("A session was seen unmasked") }
        }
        "authz.decision" => const { &Class::of(3003, "Authorize Session", 1, "Assign Privileges").controls() },
        "approval.requested" => const { &api(1, "Create") },
        "approval.viewed" | "evidence.viewed" => const { &api(2, "Read") },
        "approval.voted" | "approval.resolved" | "approval.used" => const { &api(3, "Update") },
        "approval.notified" => const { &api(99, "Notify") },
        "approval.break_glass" => const { &finding(1, "Create") },
        "approval.break_glass_reviewed" => const { &finding(3, "Close") },
        "policy.changed" => const { &entity(3, "Update").is(5, "Policy") },
        "config.changed" | "target.changed" | "tls.changed" => const { &entity(3, "Update").is(99, "Configuration") },
        "evidence.exported" => const { &Class::of(1008, "Event Log Activity", 3, "Export") },
        "log.start" => const { &lifecycle(3, "Start") },
        "log.stop" => const { &lifecycle(4, "Stop") },
        "log.successor" => const { &lifecycle(99, "Succeed") },
        "log.copied" => const { &lifecycle(99, "Copy") },
        "anchor.receipt" => const { &lifecycle(99, "Anchor") },
        "log.heartbeat" => const { &lifecycle(99, "Heartbeat") },
        _ => const { &lifecycle(99, "Other") },
    }
}
