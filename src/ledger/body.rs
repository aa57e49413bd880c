//! What each event says about itself: the `body` of its record.
//!
//! `recordings-schema/EVENTS.md` says the same in prose. A name here never changes its meaning.
//! Free text leaves this file as a salted hash only: the text itself, masked, becomes a payload.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::domain::event::anchored::Anchored;
use crate::domain::event::arrived::Carried;
use crate::domain::event::change::Change;
use crate::domain::event::lent::Passed;
use crate::domain::event::masked::Applied;
use crate::domain::event::sftp::Moved;
use crate::domain::event::succession::Succession;
use crate::domain::event::{Counters, Decided, Event, Extent, Read};
use crate::domain::loan::Loan;
use crate::domain::session::Exit;
use crate::domain::{Digest, Text};
use crate::mask::rule::Rules;
use crate::mask::{Width, whole};

use super::entry::{Payload, SALT_BYTES};

/// Builds a body; gathers the payloads that it refers to.
pub(super) struct Writer<'a> {
    /// What stands in no text.
    pub(super) rules: &'a Arc<Rules>,
    /// Where salts come from.
    pub(super) salt: &'a mut dyn FnMut() -> [u8; SALT_BYTES],
    /// Salt and bytes of each text, by hash.
    pub(super) payloads: Vec<(Digest, Bytes)>,
}

impl Writer<'_> {
    /// The body of `event`.
    pub(super) fn body(&mut self, event: &Event) -> Map<String, Value> {
        let body = Body::default();
        let body = match event {
            Event::LogStart { version, origin, policy, config } => body
                .set("version", text(version))
                .set("origin", text(origin))
                .digest("policy", policy)
                .digest("config", config),
            Event::LogStop { drained } => body.set("drained", *drained),
            Event::LogHeartbeat(counters) => counted(body, counters),
            Event::ClockStep { old, new } => body.set("old", show(old)).set("new", show(new)),
            Event::AuthnOidc {
                issuer,
                subject,
                audience,
                token,
                amr,
                acr,
                auth_time,
                flow,
                key,
                reason,
                about,
                until,
                claims,
            } => body
                .set("issuer", text(issuer))
                .set("subject", text(subject))
                .set("audience", texts(audience))
                .set("token", show(token))
                .set("amr", texts(amr))
                .maybe("acr", acr.as_deref())
                .maybe("auth_time", auth_time.map(|time| time.to_string()))
                .set("flow", flow.as_str())
                .set("key", text(key))
                .maybe("reason", *reason)
                .set("about", json!(about))
                .maybe("until", until.map(|time| time.to_string()))
                .maybe("claims", claims.as_ref().map(|claims| self.payload(claims))),
            Event::AuthnSsh { method, authority } => body.set("method", *method).set("authority", text(authority)),
            Event::AuthnSshFailures { prefix, minute, counts, first, last, key_ids } => body
                .set("prefix", text(prefix))
                .set("minute", show(minute))
                .set("counts", by_word(counts))
                .set("first", show(first))
                .set("last", show(last))
                .set("key_ids", texts(key_ids)),
            Event::CertIssued {
                authority,
                serial,
                key_id,
                principals,
                valid_after,
                valid_before,
                options,
                key,
                claims,
            } => body
                .set("authority", *authority)
                .set("serial", show(serial))
                .set("key_id", text(key_id))
                .set("principals", texts(principals))
                .set("valid_after", show(valid_after))
                .set("valid_before", show(valid_before))
                .set("options", texts(options))
                .set("key", text(key))
                .digest("claims", claims),
            Event::KeyRemembered { serial, key_id, key, valid_before, remembered } => body
                .set("serial", show(serial))
                .set("key_id", text(key_id))
                .set("key", text(key))
                .set("valid_before", show(valid_before))
                .set("remembered", *remembered),
            Event::CertRevoked { identity, serials, reason } => body
                .maybe("identity", identity.as_ref().map(|(issuer, subject)| json!({ "iss": issuer, "sub": subject })))
                .set("serials", serials.iter().map(show).collect::<Vec<_>>())
                .set("reason", self.payload(reason)),
            Event::IdentityReinstated { identity: (issuer, subject), reason } => {
                body.set("identity", json!({ "iss": issuer, "sub": subject })).set("reason", self.payload(reason))
            }
            Event::SessionStart { action, connection, pty, env_dropped, principal, recording, jump } => body
                .set("action", *action)
                .set("connection", text(connection))
                .set("pty", *pty)
                .set("env_dropped", texts(env_dropped))
                .set("principal", text(principal))
                .set("recording", recording.to_string())
                .maybe("outer", jump.as_ref().map(|jump| text(&jump.connection)))
                .maybe("originator", jump.as_ref().map(|jump| text(&jump.originator))),
            Event::SessionEnd { reason, detail, bytes_in, bytes_out, exit, duration_ms, masked } => body
                .set("reason", *reason)
                .maybe("detail", *detail)
                .set("bytes_in", number(*bytes_in))
                .set("bytes_out", number(*bytes_out))
                .maybe("exit", exit.as_ref().map(ended))
                .set("duration_ms", number(*duration_ms))
                .maybe("masked", (!masked.is_empty()).then(|| by_word(masked))),
            Event::UpstreamOpen { serial, key_id, key_file, spare, seen_as } => body
                .maybe("serial", serial.as_ref().map(show))
                .maybe("key_id", key_id.as_deref())
                .set("key_file", *key_file)
                .set("spare", *spare)
                .set("seen_as", text(seen_as)),
            Event::UpstreamAgain { serial, key_id } => body.set("serial", show(serial)).set("key_id", text(key_id)),
            Event::UpstreamClose { reason } => body.set("reason", *reason),
            Event::ChannelExec { command, length } => {
                body.set("command", self.payload(command)).set("length", number(*length))
            }
            Event::SessionReason { reason } => body.set("reason", self.payload(reason)),
            Event::ChannelShell { term } => body.maybe("term", term.as_deref()),
            Event::ChannelSubsystem { name } => body.set("name", *name),
            Event::ChannelForward { to, originator } => {
                body.set("to", text(to)).maybe("originator", originator.as_deref().map(text))
            }
            Event::ChannelLent(lent) => {
                let of = |count: fn(&Passed) -> u64| lent.ended.as_ref().map(|passed| number(count(passed)));
                let (to, from) = match lent.loan {
                    Loan::Agent => ("to_agent", "from_agent"),
                    Loan::Display => ("to_display", "from_display"),
                };
                body.set("use", number(u64::from(lent.number)))
                    .set("what", if lent.ended.is_some() { "closed" } else { "opened" })
                    .maybe(to, of(|passed| passed.to_client))
                    .maybe(from, of(|passed| passed.from_client))
                    .maybe("duration_us", of(|passed| passed.duration_us))
            }
            Event::ChannelListen(listening) => {
                body.set("at", text(&listening.at)).set("what", if listening.is_granted { "granted" } else { "asked" })
            }
            Event::ChannelArrived(arrived) => {
                let of = |count: fn(&Carried) -> u64| arrived.ended.as_ref().map(|carried| number(count(carried)));
                body.set("connection", number(u64::from(arrived.number)))
                    .set("what", if arrived.ended.is_some() { "closed" } else { "opened" })
                    .maybe("originator", arrived.originator.as_deref().map(text))
                    .maybe("to_client", of(|carried| carried.to_client))
                    .maybe("from_client", of(|carried| carried.from_client))
                    .maybe("duration_us", of(|carried| carried.duration_us))
            }
            Event::ChannelUnasked(refused) => body.set("refused", by_word(refused)),
            Event::SftpOperation(done) => body
                .set("what", done.what)
                .set("path", self.payload(&done.path))
                .maybe("to", done.to.as_ref().map(|to| self.payload(to)))
                .maybe("read", done.read.as_ref().map(moved))
                .maybe("written", done.written.as_ref().map(moved))
                .set("result", done.result),
            Event::AuthzDecision(decided) => decision(body, decided),
            Event::ApprovalRequested(asked) => body
                .set("id", text(&asked.id))
                .set("digest", show(&asked.digest))
                .set("quorum", number(asked.quorum))
                .set("groups", texts(&asked.groups))
                .set("rules", texts(&asked.rules))
                .set("policy", show(&asked.policy))
                .set("expires", show(&asked.expires))
                .maybe("action", Some(asked.action).filter(|action| !["shell", "exec"].contains(action)))
                .maybe("command", asked.command.as_ref().map(|command| self.payload(command)))
                .maybe("reason", asked.reason.as_ref().map(|reason| self.payload(reason)))
                .set("pty", asked.pty)
                .set("input", number(asked.input))
                .maybe("stdin", asked.open_input.then_some("open"))
                .maybe(
                    "window",
                    asked
                        .window
                        .as_ref()
                        .map(|(classes, span)| json!({ "classes": texts(classes), "seconds": number(*span) })),
                ),
            Event::ApprovalVoted(voted) => body
                .set("id", text(&voted.id))
                .set("digest", show(&voted.digest))
                .set("vote", voted.vote)
                .maybe("comment", voted.comment.as_ref().map(|comment| self.payload(comment))),
            Event::ApprovalResolved(resolved) => body
                .set("id", text(&resolved.id))
                .set("digest", show(&resolved.digest))
                .set("state", resolved.state)
                .set("reason", resolved.reason),
            Event::ApprovalViewed(viewed) => body.set("id", text(&viewed.id)).set("digest", show(&viewed.digest)),
            Event::ApprovalNotified(notified) => body
                .set("channel", text(&notified.channel))
                .set("event", notified.event)
                .set("id", text(&notified.id))
                .set("attempts", number(notified.attempts))
                .maybe("reason", notified.reason),
            Event::GlassBroken(broken) => body
                .set("id", text(&broken.id))
                .set("principal", text(&broken.principal))
                .set("reason", self.payload(&broken.reason))
                .set("alerted", texts(&broken.alerted))
                .set("until", show(&broken.until)),
            Event::GlassReviewed(reviewed) => {
                body.set("id", text(&reviewed.id)).set("finding", self.payload(&reviewed.finding))
            }
            Event::ApprovalUsed(used) => body
                .set("id", text(&used.id))
                .set("digest", show(&used.digest))
                .set("approvers", texts(&used.approvers)),
            Event::RecordingOpen { recording, header, format, mask, kept } => body
                .set("recording", show(recording))
                .set("header", show(header))
                .set("format", *format)
                .set("mask", mask.as_str())
                .maybe("kept", *kept),
            Event::RecordingCommit { recording, extent } => stored(body.set("recording", show(recording)), extent),
            Event::RecordingClose { recording, extent, duration_us, events, reason, exit } => {
                stored(body.set("recording", show(recording)), extent)
                    .set("duration_us", number(*duration_us))
                    .set("events", by_word(events))
                    .set("reason", *reason)
                    .maybe("exit", exit.as_ref().map(ended))
            }
            Event::RecordingRecovered { recording, extent } => stored(body.set("recording", show(recording)), extent),
            Event::RecordingFailed { recording, extent, reason } => {
                stored(body.set("recording", show(recording)), extent).set("reason", *reason)
            }
            Event::MaskApplied(applied) => body
                .set("recording", show(&applied.recording))
                .set("rule", &*applied.rule)
                .set("stream", applied.stream)
                .set("count", number(applied.count))
                .set("bytes", number(applied.bytes))
                .maybe("fingerprints", (!applied.fingerprints.is_empty()).then(|| fingerprints(applied)))
                .set("first_us", number(applied.first_us))
                .set("last_us", number(applied.last_us)),
            Event::MaskLifted(lifted) => {
                body.set("recording", show(&lifted.recording)).set("seen", by_word(&lifted.seen))
            }
            Event::RecordingLost { recording, said, frames } => {
                body.set("recording", show(recording)).set("said", number(*said)).set("frames", number(*frames))
            }
            Event::StoreRebuilt { reason, aside, recordings, recordings_lost, texts, texts_lost } => body
                .set("reason", *reason)
                .maybe("aside", aside.as_deref())
                .set("recordings", number(*recordings))
                .set("recordings_lost", number(*recordings_lost))
                .set("texts", number(*texts))
                .set("texts_lost", number(*texts_lost)),
            Event::SpaceChanged { room, free, total } => {
                body.set("room", *room).set("free", number(*free)).set("total", number(*total))
            }
            Event::LimitsRefused { since, counts } => body.set("since", show(since)).set("counts", by_word(counts)),
            Event::EvidenceViewed { how, session } => body.set("how", *how).set("session", show(session)),
            Event::EvidenceExported(exported) => body
                .set("from", show(&exported.from))
                .set("to", show(&exported.to))
                .set("first", number(exported.first))
                .set("end", number(exported.end))
                .set("root", show(&exported.root))
                .set("only_hashes", exported.only_hashes)
                .maybe("control", exported.control)
                .maybe("seed", exported.sample.map(|(seed, _)| number(seed)))
                .maybe("count", exported.sample.map(|(_, count)| number(count))),
            Event::Anchored(anchored) => self.anchored(body, anchored),
            Event::LogCopied(copied) => body
                .set("place", copied.place)
                .set("size", number(copied.size))
                .set("root", show(&copied.root))
                .maybe("reason", copied.came.err()),
            Event::LogSuccessor(before) => successor(body, before),
            Event::PolicyChanged { old, new, files } => {
                body.digest("old", old).set("new", show(new)).set("files", texts(files))
            }
            Event::ConfigChanged(change) | Event::TargetChanged(change) | Event::TlsChanged(change) => {
                changed(body, change)
            }
        };
        body.0
    }

    fn anchored(&mut self, body: Body, anchored: &Anchored) -> Body {
        let body = body
            .set("authority", text(&anchored.authority))
            .set("size", number(anchored.size))
            .set("root", show(&anchored.root));
        match &anchored.came {
            Ok(token) => body
                .set("time", show(&token.time))
                .set("checkpoint", self.exact(&token.note))
                .set("token", self.exact(&token.answer)),
            Err(reason) => body.set("reason", *reason),
        }
    }

    /// What stands in a record instead of a text. Without a salt, a short text could be found by guessing.
    fn payload(&mut self, text: &Text) -> Value {
        let masked = whole(self.rules, Width::Label, text.bytes());
        self.exact(&masked)
    }

    /// The same for bytes that no person wrote: what is signed must stay as it is.
    fn exact(&mut self, bytes: &[u8]) -> Value {
        let payload = Payload::of((self.salt)(), bytes);
        let value = json!({ "payload": {
            "alg": Payload::ALGORITHM, "hash": payload.hash.to_string(), "len": number(payload.len),
        }});
        self.payloads.push((payload.hash, payload.stored));
        value
    }
}

fn successor(body: Body, before: &Succession) -> Body {
    body.set("origin", text(&before.origin))
        .set("key", text(&before.key))
        .set("size", number(before.size))
        .set("root", show(&before.root))
        .set("signature", text(&before.signature))
        .set("kept", number(before.kept))
        .maybe("witnessed", before.witnessed.map(number))
        .set("serial", show(&before.serial))
}

fn moved(moved: &Moved) -> Value {
    let body = Body::default().set("bytes", number(moved.bytes)).set("from", number(moved.from));
    body.digest("sha256", &moved.sha256).set("to_end", moved.to_end).0.into()
}

/// A body that grows field by field. What is absent has no field: `null` is never written.
#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    fn digest(self, name: &str, digest: &Option<Digest>) -> Self {
        self.maybe(name, digest.map(|digest| digest.to_string()))
    }
}

/// Which names, where there are any.
fn changed(body: Body, change: &Change) -> Body {
    let lists = [
        ("added", &change.added),
        ("changed", &change.changed),
        ("removed", &change.removed),
        ("restart", &change.restart),
    ];
    let body = body.digest("old", &change.old).digest("new", &change.new);
    lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .fold(body, |body, (list, names)| body.set(list, texts(names)))
}

fn counted(body: Body, counters: &Counters) -> Body {
    body.set("connections", number(counters.connections))
        .set("sessions", number(counters.sessions))
        .set("certificates", number(counters.certificates))
        .set("next_serial", show(&counters.next_serial))
        .set("checkpoint", number(counters.checkpoint))
}

fn decision(body: Body, decided: &Decided) -> Body {
    let rules: Vec<_> = decided.rules.iter().map(|(id, effect)| json!({ "id": id, "effect": effect })).collect();
    body.set("action", decided.action)
        .set("rules", rules)
        .set("errors", texts(&decided.errors))
        .set("policy", show(&decided.policy))
        .set("schema", show(&decided.schema))
        .set("context", show(&decided.context))
        .set("pass", decided.pass)
        .set("engine", decided.engine)
        .set("obligations", texts(&decided.obligations))
        .maybe("command", decided.command.as_ref().map(read))
        .set("micros", number(decided.micros))
}

fn read(read: &Read) -> Value {
    json!({
        "form": read.form, "classes": texts(&read.classes), "elevated": read.elevated, "harmless": read.harmless,
    })
}

fn stored(body: Body, extent: &Extent) -> Body {
    body.set("frames", number(extent.frames))
        .set("plain_bytes", number(extent.plain_bytes))
        .set("stored_bytes", number(extent.stored_bytes))
        .set("root", show(&extent.root))
}

fn ended(exit: &Exit) -> Value {
    match exit {
        Exit::Status(status) => json!({ "status": status }),
        Exit::Signal(signal) => json!({ "signal": signal }),
    }
}

/// Readers of JSON keep integers exactly only up to 2^53 - 1: larger ones are written as strings.
fn number(value: u64) -> Value {
    if value <= super::entry::MAX_INTEGER { value.into() } else { value.to_string().into() }
}

fn by_word<W: AsRef<str>>(counts: &BTreeMap<W, u64>) -> Map<String, Value> {
    counts.iter().map(|(word, count)| (word.as_ref().to_owned(), number(*count))).collect()
}

fn fingerprints(applied: &Applied) -> Value {
    applied.fingerprints.iter().map(|print| print.to_string()).collect()
}

fn text(text: &str) -> Value {
    text.into()
}

fn texts(texts: &[String]) -> Value {
    texts.into()
}

fn show(value: &impl ToString) -> Value {
    value.to_string().into()
}
