//! What a process answers below `/api/`, beyond what every process does.

use futures_util::future::BoxFuture;

/// Answers questions of operators, in JSON.
pub trait Api: Send + Sync + 'static {
    /// The answer to `GET /api/PATH?QUERY`, both as they came. It bounds its own time and work.
    fn get(&self, path: String, query: String) -> BoxFuture<'_, ApiAnswer>;

    /// What there is to ask for, a line for each, for the page that lists it.
    fn index(&self) -> &'static str;
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAnswer {
    /// The status code of HTTP.
    pub status: u16,
    /// The body, in JSON.
    pub body: String,
}
