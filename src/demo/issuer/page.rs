//! The pages of the demo issuer: plain HTML, no script.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::people::Person;

/// One button a person, and whatever the form must carry along.
pub(super) fn choose(action: &str, fields: &[(String, String)]) -> Response {
    let hidden: String = fields
        .iter()
        .map(|(name, value)| format!("<input type=hidden name=\"{}\" value=\"{}\">", escaped(name), escaped(value)))
        .collect();
    let buttons: String = Person::ALL
        .iter()
        .map(|person| format!("<p><button name=person value={}>{}</button></p>", person.name(), person.about()))
        .collect();
    let form = format!("<form method=post action=\"{}\">{hidden}{buttons}</form>", escaped(action));
    document(StatusCode::OK, "Sign in as", &form)
}

/// Asks for the code that a device shows, with the buttons below.
pub(super) fn enter_code(action: &str, code: &str) -> Response {
    let buttons: String = Person::ALL
        .iter()
        .map(|person| format!("<p><button name=person value={}>{}</button></p>", person.name(), person.about()))
        .collect();
    let form = format!(
        "<form method=post action=\"{}\"><p><input name=user_code value=\"{}\"></p>{buttons}\
         <p><button name=person value=nobody>Refuse</button></p></form>",
        escaped(action),
        escaped(code)
    );
    document(StatusCode::OK, "Code shown by the device", &form)
}

/// A sentence, and nothing to press.
pub(super) fn say(status: StatusCode, sentence: &str) -> Response {
    document(status, "Demo issuer", &format!("<p>{}</p>", escaped(sentence)))
}

fn document(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>\
         <h1>{title}</h1>{body}<p>A development issuer on this machine: no password, nothing real.</p></html>"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
