//! The stable names of events: kind and code, in one table.

use super::{Event, Outcome};
use crate::domain::loan::Loan;

impl Event {
    /// The stable kind.
    pub fn kind(&self) -> &'static str {
        self.name_and_number().0
    }

    /// The stable code: `SP`, four digits, and `I`, `W` or `E`.
    pub fn code(&self, outcome: Outcome) -> String {
        let (_, number) = self.name_and_number();
        let letter = match (outcome, self) {
            (Outcome::Error, _) => 'E',
            (_, Self::RecordingFailed { .. } | Self::RecordingLost { .. }) => 'E',
            (
                _,
                Self::AuthnSshFailures { .. }
                | Self::RecordingRecovered { .. }
                | Self::ClockStep { .. }
                | Self::GlassBroken(_)
                | Self::StoreRebuilt { .. },
            ) => 'W',
            (outcome, _) if outcome.is_good() => 'I',
            _ => 'W',
        };
        format!("SP{number:04}{letter}")
    }

    /// Kind and number of each event: the one table of both. Numbers group as `evidence` documents them.
    fn name_and_number(&self) -> (&'static str, u16) {
        match self {
            Self::AuthnOidc { .. } => ("authn.oidc", 1000),
            Self::AuthnSsh { .. } => ("authn.ssh", 1001),
            Self::AuthnSshFailures { .. } => ("authn.ssh_failures", 1002),
            Self::CertIssued { .. } => ("cert.issued", 1100),
            Self::CertRevoked { .. } => ("cert.revoked", 1101),
            Self::KeyRemembered { .. } => ("key.remembered", 1102),
            Self::IdentityReinstated { .. } => ("identity.reinstated", 1103),
            Self::SessionStart { .. } => ("session.start", 2000),
            Self::UpstreamOpen { .. } => ("upstream.open", 2001),
            Self::UpstreamClose { .. } => ("upstream.close", 2002),
            Self::UpstreamAgain { .. } => ("upstream.again", 2003),
            Self::SessionEnd { .. } => ("session.end", 2004),
            Self::SessionReason { .. } => ("session.reason", 2005),
            Self::ChannelExec { .. } => ("channel.exec", 2010),
            Self::ChannelShell { .. } => ("channel.shell", 2011),
            Self::ChannelSubsystem { .. } => ("channel.subsystem", 2012),
            Self::ChannelForward { .. } => ("channel.forward", 2013),
            Self::ChannelLent(lent) => match lent.loan {
                Loan::Agent => ("channel.agent", 2014),
                Loan::Display => ("channel.display", 2018),
            },
            Self::ChannelListen(_) => ("channel.listen", 2015),
            Self::ChannelArrived(_) => ("channel.arrived", 2016),
            Self::ChannelUnasked(_) => ("channel.unasked", 2017),
            Self::SftpOperation(_) => ("sftp.operation", 2020),
            Self::RecordingOpen { .. } => ("recording.open", 2100),
            Self::RecordingCommit { .. } => ("recording.commit", 2101),
            Self::RecordingClose { .. } => ("recording.close", 2102),
            Self::RecordingRecovered { .. } => ("recording.recovered", 2103),
            Self::RecordingFailed { .. } => ("recording.failed", 2104),
            Self::RecordingLost { .. } => ("recording.lost", 2105),
            Self::MaskApplied(_) => ("mask.applied", 2110),
            Self::MaskLifted(_) => ("mask.lifted", 2111),
            Self::AuthzDecision(_) => ("authz.decision", 3001),
            Self::ApprovalRequested(_) => ("approval.requested", 5000),
            Self::ApprovalVoted(_) => ("approval.voted", 5001),
            Self::ApprovalResolved(_) => ("approval.resolved", 5002),
            Self::ApprovalUsed(_) => ("approval.used", 5003),
            Self::ApprovalViewed(_) => ("approval.viewed", 5004),
            Self::ApprovalNotified(_) => ("approval.notified", 5005),
            Self::GlassBroken(_) => ("approval.break_glass", 5009),
            Self::GlassReviewed(_) => ("approval.break_glass_reviewed", 5010),
            Self::PolicyChanged { .. } => ("policy.changed", 6000),
            Self::ConfigChanged(_) => ("config.changed", 6001),
            Self::TargetChanged(_) => ("target.changed", 6002),
            Self::TlsChanged(_) => ("tls.changed", 6003),
            Self::LogStart { .. } => ("log.start", 7000),
            Self::LogStop { .. } => ("log.stop", 7001),
            Self::LogHeartbeat(_) => ("log.heartbeat", 7002),
            Self::ClockStep { .. } => ("clock.step", 7003),
            Self::LogSuccessor(_) => ("log.successor", 7004),
            Self::StoreRebuilt { .. } => ("store.rebuilt", 7040),
            Self::EvidenceViewed { .. } => ("evidence.viewed", 7010),
            Self::EvidenceExported(_) => ("evidence.exported", 7011),
            Self::Anchored(_) => ("anchor.receipt", 7030),
            Self::LogCopied(_) => ("log.copied", 7031),
            Self::SpaceChanged { .. } => ("space.changed", 7020),
            Self::LimitsRefused { .. } => ("limits.refused", 7021),
        }
    }
}
