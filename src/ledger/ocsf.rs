//! Records in the shape that a SIEM reads: OCSF 1.9, with the profile `record_integrity` filled from the tree.
//!
//! Pure. Adds nothing to what a record says, and gives its exact bytes with it, so that whoever has the event can compute
//! the leaf hash and ask the log for a proof.

use serde_json::{Map, Value, json};

use super::checkpoint::Checkpoint;
use super::entry::{Entry, Fields};
use crate::domain::Digest;
use crate::domain::event::Outcome;

mod class;

use class::{Class, class};

/// The version of OCSF that events say they follow.
pub const VERSION: &str = "1.9.0";

/// A record as an event. `checkpoint` is one that covers it.
pub fn event(entry: &Entry, checkpoint: &Checkpoint) -> Value {
    let class = class(entry.kind(), entry.outcome());
    let mut event = Map::new();
    event.insert("category_uid".into(), class.category().into());
    event.insert("class_uid".into(), class.uid.into());
    event.insert("class_name".into(), class.name.into());
    event.insert("activity_id".into(), class.activity.into());
    event.insert("activity_name".into(), class.activity_name.into());
    event.insert("type_uid".into(), (class.uid * 100 + class.activity).into());
    let (severity, severity_name) = severity(entry.code());
    event.insert("severity_id".into(), severity.into());
    event.insert("severity".into(), severity_name.into());
    event.extend(status(class, entry.outcome()));
    event.insert("time".into(), (entry.time().micros() / 1000).into());
    event.insert("message".into(), format!("{} {}", entry.kind(), entry.outcome().as_str()).into());
    event.insert("metadata".into(), metadata(entry, class, &checkpoint.origin));
    event.extend(required(entry, class));
    event.insert("raw_data".into(), String::from_utf8_lossy(entry.bytes()).into());
    event.insert("raw_data_size".into(), entry.bytes().len().into());
    event.insert("raw_data_hash".into(), sha256(&Digest::of(entry.bytes())));
    event.insert("attestation_list".into(), json!([attestation(entry, checkpoint)]));
    event.insert("unmapped".into(), unmapped(entry, checkpoint));
    Value::Object(event)
}

/// JSON of nothing but printable ASCII, whatever the texts hold: no framing and no terminal on its way can misread it.
pub fn line(event: &Value) -> String {
    let text = event.to_string();
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside strings, JSON has no other characters.
        if c == '\u{7f}' || !c.is_ascii() {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                line += &format!("\\u{unit:04x}");
            }
        } else {
            line.push(c);
        }
    }
    line
}

/// 1 Informational, 3 Medium, 4 High, by the letter of the code.
fn severity(code: &str) -> (u8, &'static str) {
    match code.as_bytes().last() {
        Some(b'E') => (4, "High"),
        Some(b'W') => (3, "Medium"),
        _ => (1, "Informational"),
    }
}

fn status(class: &Class, outcome: Outcome) -> Map<String, Value> {
    let (id, name) = match outcome {
        // A finding has a status of its own: of the work on it.
        _ if class.category() == 2 => match class.activity {
            1 => (1, "New"),
            3 => (4, "Resolved"),
            _ => (2, "In Progress"),
        },
        Outcome::Allow | Outcome::Success => (1, "Success"),
        Outcome::Deny | Outcome::Failure | Outcome::Error => (2, "Failure"),
        Outcome::Hold => (99, "Hold"),
    };
    let mut status = Map::new();
    status.insert("status_id".into(), id.into());
    status.insert("status".into(), name.into());
    status
}

fn metadata(entry: &Entry, class: &Class, origin: &str) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": "Sallyport", "vendor_name": "Sallyport" },
        "profiles": if class.controls { json!(["record_integrity", "security_control"]) } else { json!(["record_integrity"]) },
        "uid": entry.id().to_string(),
        "event_code": entry.code(),
        "sequence": entry.seq(),
        "log_name": origin,
        "log_format": "JSON",
        "reporter": { "name": entry.node() },
        "original_time": entry.time().to_string(),
    });
    if let (Some(session), Some(map)) = (entry.session(), metadata.as_object_mut()) {
        map.insert("correlation_uid".into(), session.to_string().into());
    }
    metadata
}

/// What the class demands, and who and whence where they are known.
fn required(entry: &Entry, class: &Class) -> Map<String, Value> {
    let mut parts = Map::new();
    let (actor, body) = (entry.actor(), entry.body());
    let user = user(entry);
    let source = actor.text("src").map(endpoint);
    let target = entry.target();
    match class.uid {
        // Authentication.
        3002 => {
            parts.insert("user".into(), user.clone());
            let protocol = if entry.kind() == "authn.oidc" { (4, "OpenID") } else { (99, "SSH") };
            parts.insert("auth_protocol_id".into(), protocol.0.into());
            parts.insert("auth_protocol".into(), protocol.1.into());
            parts.insert("service".into(), json!({ "name": "sallyport", "uid": entry.node() }));
            parts.insert("is_remote".into(), true.into());
            if let Some(reason) = body.text("reason") {
                parts.insert("status_detail".into(), reason.into());
            }
        }
        // Authorize Session.
        3003 => {
            parts.insert("user".into(), user.clone());
            let action = body.text("action").unwrap_or("unknown");
            parts.insert("privileges".into(), json!([action]));
            let (action, disposition) = match entry.outcome() {
                Outcome::Allow | Outcome::Success => ((1, "Allowed"), (1, "Allowed")),
                Outcome::Hold => ((99, "Hold"), (14, "Delayed")),
                Outcome::Error => ((2, "Denied"), (27, "Error")),
                Outcome::Deny | Outcome::Failure => ((2, "Denied"), (2, "Blocked")),
            };
            parts.insert("action_id".into(), action.0.into());
            parts.insert("action".into(), action.1.into());
            parts.insert("disposition_id".into(), disposition.0.into());
            parts.insert("disposition".into(), disposition.1.into());
        }
        // Entity Management.
        3004 => {
            let name = body.part("identity").and_then(|identity| identity.text("sub"));
            let name = name.or(body.text("key_id")).unwrap_or(entry.kind());
            let mut entity = json!({ "name": name });
            if let (Some((id, kind)), Some(map)) = (class.entity, entity.as_object_mut()) {
                map.insert("type_id".into(), id.into());
                map.insert("type".into(), kind.into());
            }
            if let (Some(new), Some(map)) = (body.text("new"), entity.as_object_mut()) {
                map.insert("uid".into(), new.into());
            }
            parts.insert("entity".into(), entity);
        }
        // Process Activity, File System Activity, Event Log Activity.
        1001 | 1007 | 1008 => {
            parts.insert("device".into(), device(entry));
            if class.uid == 1007 {
                let session = entry.session().map(|session| session.to_string());
                let uid = format!("{}/{}", session.unwrap_or_default(), entry.channel().unwrap_or_default());
                let login = target.and_then(|target| target.text("login")).unwrap_or("unknown");
                parts.insert("process".into(), json!({ "uid": uid, "user": { "name": login } }));
            } else if class.uid == 1001 {
                // The path stands outside the record.
                let hash = body.payload("path").map(|(hash, _)| hash.to_string()).unwrap_or_default();
                parts.insert("file".into(), json!({ "name": format!("sha256-salted:{hash}"), "type_id": 0 }));
            } else {
                parts.insert("log_name".into(), "evidence".into());
            }
        }
        // Detection Finding, Data Security Finding.
        2004 | 2006 => {
            let uid = body.text("id").map_or_else(|| entry.id().to_string(), str::to_owned);
            parts.insert("finding_info".into(), json!({ "uid": uid, "title": class.title }));
        }
        // Application Lifecycle.
        6002 => {
            let version = body.text("version").unwrap_or(env!("CARGO_PKG_VERSION"));
            parts.insert("app".into(), json!({ "name": "Sallyport", "vendor_name": "Sallyport", "version": version }));
        }
        // API Activity.
        6003 => {
            parts.insert("api".into(), json!({ "operation": entry.kind(), "service": { "name": "sallyport" } }));
        }
        _ => {}
    }
    if class.controls && class.uid == 2006 {
        for (name, value) in [("action_id", json!(4)), ("action", json!("Modified"))] {
            parts.insert(name.into(), value);
        }
    }
    if class.uid != 3002 && class.uid != 3003 {
        parts.insert("actor".into(), json!({ "user": user }));
    }
    // Both are demanded by some classes, and welcome in all that have them.
    if matches!(class.uid, 4007 | 6003 | 3002) {
        let here = || json!({ "name": entry.node() });
        parts.insert("src_endpoint".into(), source.unwrap_or_else(here));
        if class.uid == 4007 {
            parts.insert("dst_endpoint".into(), target.map_or_else(here, destination));
        }
    }
    parts
}

/// Who did it; the bastion itself where nobody is named.
fn user(entry: &Entry) -> Value {
    let actor = entry.actor();
    let (id, kind) = match actor.text("type") {
        Some("user") => (1, "User"),
        Some("pipeline") => (4, "Service"),
        Some("system") => (3, "System"),
        _ => (0, "Unknown"),
    };
    let name = match id {
        3 => entry.node(),
        _ => actor.text("name").or(actor.text("sub")).unwrap_or("unknown"),
    };
    let mut user = json!({ "type_id": id, "type": kind, "name": name });
    let Some(map) = user.as_object_mut() else { return user };
    if let Some(subject) = actor.text("sub") {
        map.insert("uid".into(), subject.into());
    }
    if let Some(issuer) = actor.text("iss") {
        map.insert("domain".into(), issuer.into());
    }
    if let Some(groups) = actor.texts("groups").filter(|groups| !groups.is_empty()) {
        map.insert("groups".into(), groups.iter().map(|group| json!({ "name": group })).collect());
    }
    user
}

/// Of `address:port`.
fn endpoint(text: &str) -> Value {
    match text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) {
        Some((host, port)) => json!({ "ip": host.trim_matches(['[', ']']), "port": port }),
        None => json!({ "name": text }),
    }
}

fn destination(target: Fields<'_>) -> Value {
    let name = target.text("name").unwrap_or("unknown");
    let host = target.text("host").and_then(|host| host.rsplit_once(':'));
    match host.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) {
        Some((host, port)) => json!({ "name": name, "hostname": host.trim_matches(['[', ']']), "port": port }),
        None => json!({ "name": name }),
    }
}

/// The target; the bastion where there is none.
fn device(entry: &Entry) -> Value {
    let name = entry.target().and_then(|target| target.text("name")).unwrap_or(entry.node());
    json!({ "type_id": 1, "type": "Server", "name": name, "hostname": name })
}

fn sha256(digest: &Digest) -> Value {
    json!({
        "algorithm_id": 3, "algorithm": "SHA-256", "encoding_id": 1, "encoding": "Hex",
        "serialization_id": 2, "serialization": "JCS", "value": digest.to_string(),
    })
}

/// The record's place in the tree. OCSF knows no algorithm for a leaf, so it is named in words.
fn attestation(entry: &Entry, checkpoint: &Checkpoint) -> Value {
    json!({
        "uid": format!("{}#{}", checkpoint.origin, entry.seq()),
        "chain_uid": checkpoint.origin,
        "authority_uid": checkpoint.origin,
        "fingerprint": {
            "algorithm_id": 99, "algorithm": "RFC 6962 leaf: SHA-256(0x00 || raw_data)", "encoding_id": 1,
            "encoding": "Hex", "serialization_id": 2, "serialization": "JCS", "value": entry.leaf().to_string(),
        },
    })
}

/// What OCSF has no name for.
fn unmapped(entry: &Entry, checkpoint: &Checkpoint) -> Value {
    let mut rest = json!({
        "kind": entry.kind(),
        "outcome": entry.outcome().as_str(),
        "boot": entry.boot(),
        "actor": entry.actor().map(),
        "body": entry.body().map(),
        "checkpoint": { "size": checkpoint.size, "root": checkpoint.root.to_string() },
    });
    let Some(map) = rest.as_object_mut() else { return rest };
    if let Some(target) = entry.target() {
        map.insert("target".into(), json!(target.map()));
    }
    if let Some(channel) = entry.channel() {
        map.insert("channel".into(), channel.into());
    }
    if !entry.refs().is_empty() {
        map.insert("ref".into(), entry.refs().iter().map(ToString::to_string).collect());
    }
    rest
}

#[cfg(test)]
mod tests;
