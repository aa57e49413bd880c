//! The device flow of the `/corp` realm (RFC 8628).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde_json::json;

use super::people::Person;
use super::sign_in::{MAX_WAITING, SignedIn, refuse};
use super::token::{Realm, random_text};
use super::{Error, Shared, locked, page};
use crate::domain::Timestamp;

/// RFC 8628 §3.4.
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device that waits for a person.
pub(super) struct Device {
    user_code: String,
    expires: Timestamp,
    interval: Duration,
    polled: Option<Timestamp>,
    answer: Option<Answer>,
}

#[derive(Clone, Copy)]
enum Answer {
    Refused,
    Is(SignedIn),
}

pub(super) async fn begin(State(shared): State<Arc<Shared>>, Form(form): Form<HashMap<String, String>>) -> Response {
    if form.get("client_id") != Some(&shared.settings.client_id) {
        return refuse("invalid_client");
    }
    let (Ok(device_code), Ok(user_code)) = (random_text(), user_code()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (now, interval) = (shared.settings.clock.now(), shared.settings.device_interval);
    let mut waiting = locked(&shared.waiting);
    waiting.devices.retain(|_, device| device.expires > now);
    if waiting.devices.len() >= MAX_WAITING {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let page = format!("{}/device", shared.url(Realm::Corp));
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": LIFE.as_secs(),
        "interval": interval.as_secs(),
    });
    let device = Device { user_code, expires: now.plus(LIFE), interval, polled: None, answer: None };
    waiting.devices.insert(device_code, device);
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

pub(super) async fn ask(State(shared): State<Arc<Shared>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let code = query.get("user_code").map_or("", String::as_str);
    page::enter_code(&format!("{}/device", shared.url(Realm::Corp)), code)
}

pub(super) async fn submit(State(shared): State<Arc<Shared>>, Form(form): Form<HashMap<String, String>>) -> Response {
    let text = |name: &str| form.get(name).map_or("", String::as_str);
    let person = Person::parse(text("person"));
    if answer(&shared, text("user_code"), person) {
        page::say(StatusCode::OK, "Done. Go back to the device.")
    } else {
        page::say(StatusCode::NOT_FOUND, "No device waits for this code.")
    }
}

pub(super) fn answer(shared: &Shared, user_code: &str, person: Option<Person>) -> bool {
    let now = shared.settings.clock.now();
    let mut waiting = locked(&shared.waiting);
    let device = waiting.devices.values_mut().find(|device| {
        device.answer.is_none() && device.expires > now && device.user_code.eq_ignore_ascii_case(user_code.trim())
    });
    let answer = person.map_or(Answer::Refused, |person| Answer::Is(SignedIn { person, at: now }));
    device.map(|device| device.answer = Some(answer)).is_some()
}

/// RFC 8628 §3.5, with its words for "not yet".
pub(super) fn poll(shared: &Shared, device_code: &str) -> Result<SignedIn, &'static str> {
    let now = shared.settings.clock.now();
    let mut waiting = locked(&shared.waiting);
    let device = waiting.devices.get_mut(device_code).ok_or("invalid_grant")?;
    if device.expires <= now {
        waiting.devices.remove(device_code);
        return Err("expired_token");
    }
    let early = device.polled.is_some_and(|polled| now < polled.plus(device.interval));
    device.polled = Some(now);
    if early {
        device.interval += SLOWER;
        return Err("slow_down");
    }
    match device.answer.ok_or("authorization_pending")? {
        Answer::Refused => {
            waiting.devices.remove(device_code);
            Err("access_denied")
        }
        Answer::Is(signed_in) => {
            waiting.devices.remove(device_code);
            Ok(signed_in)
        }
    }
}

/// Eight letters that are not read as one another (RFC 8628 §6.1).
fn user_code() -> Result<String, Error> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let letter = |byte: &u8| char::from(LETTERS.get(usize::from(*byte) % LETTERS.len()).copied().unwrap_or(b'B'));
    let letters: String = bytes.iter().map(letter).collect();
    let (first, last) = letters.split_at_checked(4).unwrap_or_default();
    Ok(format!("{first}-{last}"))
}

const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
const LIFE: Duration = Duration::from_secs(300);
const SLOWER: Duration = Duration::from_secs(5);
