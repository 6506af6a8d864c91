//! Extensions that give credentials, or ask for them.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    collector::model::{Collector, kind},
    document::words,
    draft::Draft,
    report::{Place, Report},
};

/// The names of extensions that were asked for credentials.
pub(crate) type Used = BTreeSet<String>;

/// Which side of a connection is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Receiver,
    Exporter,
}

/// Writes in our words who may send to a receiver, or as whom an exporter sends. What there are no words
/// for stays under `auth`, which the loader refuses.
pub(crate) fn take(
    collector: &Collector,
    side: Side,
    place: &Place,
    component: &mut Value,
    used: &mut Used,
    draft: &mut Draft,
    report: &mut Report,
) {
    let has_protocols = side == Side::Receiver && component.get("protocols").is_some();
    let holders: Vec<(String, &mut Value)> = if has_protocols {
        let protocols = component.get_mut("protocols").and_then(Value::as_object_mut);
        let protocols = protocols.into_iter().flatten();
        protocols.map(|(name, value)| (format!("protocols.{name}.auth"), value)).collect()
    } else {
        vec![("auth".to_owned(), component)]
    };
    for (path, settings) in holders {
        let authenticator = settings.pointer("/auth/authenticator").and_then(Value::as_str);
        let Some(name) = authenticator.map(str::to_owned) else { continue };
        used.insert(name.clone());
        let extension = collector.component("extensions", &name).unwrap_or(&Value::Null);
        let place = place.key(&path);
        let done = match side {
            Side::Receiver => tenant(&name, extension, draft, report, &place),
            Side::Exporter => header(&name, extension, settings, report, &place),
        };
        if done && let Some(settings) = settings.as_object_mut() {
            settings.shift_remove("auth");
        }
    }
}

/// Has every sender show a token of the extension.
fn tenant(
    name: &str,
    extension: &Value,
    draft: &mut Draft,
    report: &mut Report,
    place: &Place,
) -> bool {
    if kind(name) != "bearertokenauth" || !is_bearer(extension) {
        return false;
    }
    let mut tokens = words(extension.get("token"));
    tokens.extend(words(extension.get("tokens")));
    let mut tenant = json!({ "name": name });
    if let Some(file) = extension.get("filename") {
        tenant["token_files"] = json!([file]);
    } else {
        tenant["tokens"] = json!(tokens);
    }
    let tenants = match draft.get("authentication.tenants") {
        Some(Value::Array(tenants)) => tenants.clone(),
        _ => Vec::new(),
    };
    if !tenants.iter().any(|one| one.get("name") == tenant.get("name")) {
        let tenants = [tenants, vec![tenant]].concat();
        draft.put("authentication", "tenants", Value::Array(tenants), place.clone());
        draft.part("authentication.tenants".to_owned(), place.clone());
    }
    report.taken(place.clone(), "as a tenant under `authentication`, for all receivers");
    true
}

/// Sends the credentials of the extension as a header.
fn header(
    name: &str,
    extension: &Value,
    settings: &mut Value,
    report: &mut Report,
    place: &Place,
) -> bool {
    let text = |key: &str| extension.pointer(key).and_then(Value::as_str);
    let value = match kind(name) {
        "bearertokenauth" if is_bearer(extension) => match (text("/filename"), text("/token")) {
            (Some(file), _) => format!("Bearer ${{file:{file}}}"),
            (None, Some(token)) => format!("Bearer {token}"),
            (None, None) => return false,
        },
        "basicauth" => {
            let user = text("/client_auth/username");
            match user.zip(text("/client_auth/password")) {
                // What a variable holds cannot be encoded here.
                Some((user, password)) if !format!("{user}{password}").contains('$') => {
                    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
                }
                _ => return false,
            }
        }
        _ => return false,
    };
    let Some(settings) = settings.as_object_mut() else { return false };
    let headers = settings.entry("headers").or_insert_with(|| json!({}));
    // The loader says what is wrong with others.
    let Some(headers) = headers.as_object_mut() else { return false };
    headers.insert("authorization".to_owned(), Value::String(value));
    report.taken(place.clone(), "as the header `authorization`");
    true
}

/// Whether the token goes where everybody expects it.
fn is_bearer(extension: &Value) -> bool {
    let is = |key: &str, usual: &str| {
        extension
            .get(key)
            .and_then(Value::as_str)
            .is_none_or(|value| value.is_empty() || value.eq_ignore_ascii_case(usual))
    };
    is("scheme", "bearer") && is("header", "authorization")
}
