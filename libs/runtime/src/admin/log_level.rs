//! `/log_level`: how much the process says, and how to change that while it runs. As Loki, Tempo and
//! Mimir have it.

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Query, rejection::FormRejection},
    http::StatusCode,
    routing::get,
};
use serde::Deserialize;

use crate::logging;

/// Longer than any level that means something.
const BODY_MAX: usize = 4 << 10;

/// The parameter of a request, in its query or in a form.
#[derive(Deserialize)]
struct Wanted {
    log_level: Option<String>,
}

/// The routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let limit = DefaultBodyLimit::max(BODY_MAX);
    Router::new().route("/log_level", get(show).post(set).layer(limit))
}

async fn show() -> (StatusCode, String) {
    match logging::level() {
        Some(level) => (StatusCode::OK, format!("{level}\n")),
        None => (StatusCode::NOT_FOUND, "this process has no log\n".to_owned()),
    }
}

async fn set(
    Query(query): Query<Wanted>,
    form: Result<Form<Wanted>, FormRejection>,
) -> Result<String, (StatusCode, String)> {
    let wanted = query.log_level.or_else(|| form.ok().and_then(|Form(form)| form.log_level));
    let refused = |reason: String| (StatusCode::BAD_REQUEST, format!("{reason}\n"));
    let Some(level) = wanted else {
        let hint = "name a level, for instance `log_level=debug`, in the query or a form";
        return Err(refused(hint.to_owned()));
    };
    logging::set_level(&level).map_err(|error| refused(error.to_string()))?;
    Ok(format!("{level}\n"))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{Method, Request, header::CONTENT_TYPE},
    };
    use tower::ServiceExt as _;

    use super::*;
    use crate::logging::LoggingConfig;

    async fn ask(method: Method, path: &str, form: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = routes().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), BODY_MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// One test, since a process has one log.
    #[tokio::test]
    async fn the_level_is_shown_and_changed() {
        let debug = || tracing::enabled!(tracing::Level::DEBUG);
        assert_eq!(ask(Method::GET, "/log_level", "").await.0, StatusCode::NOT_FOUND);
        let (status, said) = ask(Method::POST, "/log_level?log_level=debug", "").await;
        assert_eq!((status, said.contains("no log")), (StatusCode::BAD_REQUEST, true), "{said}");
        LoggingConfig { level: "warn".to_owned(), ..LoggingConfig::default() }.init().unwrap();
        let said = |level: &str| (StatusCode::OK, format!("{level}\n"));
        assert_eq!(ask(Method::GET, "/log_level", "").await, said("warn"));
        assert!(!debug());
        assert_eq!(ask(Method::POST, "/log_level?log_level=debug", "").await, said("debug"));
        assert!(debug());
        assert_eq!(ask(Method::GET, "/log_level", "").await, said("debug"));
        let parts = "info,wholetrace_runtime::admin=debug";
        let form = format!("log_level={}", parts.replace(',', "%2C").replace('=', "%3D"));
        assert_eq!(ask(Method::POST, "/log_level", &form).await, said(parts));
        assert!(debug() && !tracing::enabled!(target: "other", tracing::Level::DEBUG));
        for (path, form) in [("/log_level?log_level=loud", ""), ("/log_level", "level=debug")] {
            let (status, said) = ask(Method::POST, path, form).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{said}");
            assert!(said.contains("debug"), "{said}");
        }
        let large = format!("log_level={}", "debug,".repeat(BODY_MAX));
        assert!(!ask(Method::POST, "/log_level", &large).await.0.is_success());
        assert_eq!(ask(Method::GET, "/log_level", "").await, said(parts));
    }
}
