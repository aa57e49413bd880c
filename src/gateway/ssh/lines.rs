//! What a client hears when we end or are about to end what it does. One line of ASCII each.

use std::time::Duration;

use crate::domain::session::End;

/// What somebody hears whose access ends under them.
pub(super) const REVOKED: &str = "the session was cut: access was revoked";

/// Why a running session ends from our side.
pub(super) fn cut(end: &End) -> &'static str {
    match end {
        End::RecordingFailed => "the session was cut: its recording could not go on; tell the operator",
        End::Denied => "the session was cut: the policy was changed and does not allow it any more",
        End::Removed => "the session was cut: this target or login was taken out of the config",
        End::Revoked => REVOKED,
        End::Drain => "the session was cut: the bastion is stopping; connect again in a minute",
        End::Limit("max_session") => "the session was cut: it has reached the longest time that the policy allows",
        End::Limit("memory_per_channel") => "the session was cut: the target does not read what is sent to it",
        End::Limit("memory") => {
            "the session was cut: the bastion was short of memory and this session held the most; connect again"
        }
        End::Limit("disk") => "the session was cut: the bastion's disk is nearly full; tell the operator",
        End::Limit("max_recording") => {
            "the session was cut: its recording is as long as one may be; go on in a new session"
        }
        End::Limit("recorded_per_person") => {
            "the session was cut: your sessions of the last 24 hours have recorded as much as one person may; \
             ask the operator"
        }
        _ => "the session was cut by the bastion; tell the operator",
    }
}

/// What people are told when the longest time that policy allows is nearly over.
pub(super) fn nearly_over(left: Duration) -> String {
    format!("this session is cut in {} min: the policy allows it no longer", left.as_secs() / 60)
}

/// What people are told when the bastion stops: how long they have. Nothing, where that is no time at all.
pub(super) fn stopping(grace: Duration) -> Option<String> {
    let time = match grace.as_secs() {
        0 => return None,
        secs @ 1..120 => format!("{secs} s"),
        secs => format!("{} min", secs / 60),
    };
    Some(format!("the bastion is stopping: this session is cut in {time}; come to an end"))
}
