//! What the admin listener answers below `/api/decisions`.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::Semaphore;
use wholetrace_proto::id::TraceId;
use wholetrace_runtime::admin::{Api, ApiAnswer};
use wholetrace_sampler::explain::{Explainer, Selection, Verdict};

use super::{
    json,
    metrics::{Metrics, Outcome},
    query::{selection, trace_id},
};

/// How long the log is read for one question.
const WITHIN: Duration = Duration::from_secs(5);

/// Questions that are held at a time; one of them is answered, the others wait. Others come again.
const HELD: usize = 8;

const INDEX: &str = "\
/api/decisions  the latest decisions, as JSON;
    ?service=, verdict=kept|not_sampled, policy=, since=15m, limit=100 choose among them
/api/decisions/TRACE_ID  what became of a trace, and why
";

/// Answers questions about decisions, once there is a log.
pub(crate) struct DecisionsApi {
    explainer: OnceLock<Explainer>,
    held: Semaphore,
    /// One at a time, so that reading does not take from the data what they need.
    turn: Semaphore,
    metrics: Metrics,
}

/// What is asked for.
enum Question {
    Latest(Selection),
    Trace(TraceId),
}

impl DecisionsApi {
    /// Its metrics are those of the recorder that is installed.
    pub(crate) fn new() -> Self {
        let (held, turn) = (Semaphore::new(HELD), Semaphore::new(1));
        Self { explainer: OnceLock::new(), held, turn, metrics: Metrics::new() }
    }

    /// From now on it answers.
    pub(crate) fn begin(&self, explainer: Explainer) {
        // There is one in the life of a process.
        let _first = self.explainer.set(explainer);
    }

    async fn answer(&self, path: &str, query: &str) -> (Outcome, ApiAnswer) {
        let question = match question(path, query) {
            Ok(question) => question,
            Err(answer) => return (Outcome::Invalid, answer),
        };
        let Ok(_held) = self.held.try_acquire() else {
            let reason = format!("{HELD} other questions are before this one: ask again");
            return (Outcome::Busy, error(503, &reason));
        };
        let Some(explainer) = self.explainer.get() else {
            let reason = "the process is starting and has no log yet: ask again";
            return (Outcome::Starting, error(503, reason));
        };
        // It is never closed.
        let _turn = self.turn.acquire().await;
        let begun = Instant::now();
        let answer = match question {
            Question::Latest(selection) => {
                let latest = explainer.latest(&selection, WITHIN).await;
                latest.map(|latest| (200, latest.cut, json::latest(&latest, &selection)))
            }
            Question::Trace(id) => explainer.explain(id, WITHIN).await.map(|explanation| {
                let status = if explanation.verdict == Verdict::Unknown { 404 } else { 200 };
                (status, explanation.cut, json::explanation(&explanation))
            }),
        };
        self.metrics.took(begun.elapsed());
        match answer {
            Ok((status, cut, body)) => {
                let outcome = if cut { Outcome::Incomplete } else { Outcome::Answered };
                (outcome, ApiAnswer { status, body: format!("{body}\n") })
            }
            Err(reason) => (Outcome::Failed, error(503, &reason.to_string())),
        }
    }
}

impl Api for DecisionsApi {
    fn get(&self, path: String, query: String) -> BoxFuture<'_, ApiAnswer> {
        Box::pin(async move {
            let (outcome, answer) = self.answer(&path, &query).await;
            self.metrics.asked(outcome);
            answer
        })
    }

    fn index(&self) -> &'static str {
        INDEX
    }
}

/// What is asked for, or what to say to that.
fn question(path: &str, query: &str) -> Result<Question, ApiAnswer> {
    let invalid = |reason: String| error(400, &reason);
    match path.trim_end_matches('/').split_once('/') {
        Some(("decisions", id)) => trace_id(id).map(Question::Trace).map_err(invalid),
        None if path.trim_end_matches('/') == "decisions" => {
            selection(query).map(Question::Latest).map_err(invalid)
        }
        _ => {
            let reason = format!(
                "there is no `/api/{path}`: ask for `/api/decisions` or for \
                 `/api/decisions/TRACE_ID`"
            );
            Err(error(404, &reason))
        }
    }
}

fn error(status: u16, reason: &str) -> ApiAnswer {
    ApiAnswer { status, body: format!("{}\n", json!({ "error": reason })) }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn wrong_questions_are_answered_with_what_to_ask() {
        let api = DecisionsApi::new();
        let (starting, invalid) = ((503, Outcome::Starting), (400, Outcome::Invalid));
        for (path, query, expected, said) in [
            ("decisions", "", starting, "ask again"),
            ("decisions/", "verdict=kept", starting, "ask again"),
            ("decisions/4bf92f3577b34da6a3ce929d0e0e4736", "", starting, "ask again"),
            ("decisions/xyz", "", invalid, "`xyz` is no trace id"),
            ("decisions", "verdict=x", invalid, "`kept` or `not_sampled`"),
            ("traces", "", (404, Outcome::Invalid), "/api/decisions/TRACE_ID"),
            ("traces/decisions", "", (404, Outcome::Invalid), "/api/decisions/TRACE_ID"),
        ] {
            let (outcome, answer) = api.answer(path, query).await;
            assert_eq!((answer.status, outcome), expected, "{path}?{query}");
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(body["error"].as_str().unwrap().contains(said), "{path}?{query}: {body}");
        }
    }

    #[tokio::test]
    async fn more_questions_than_may_wait_are_refused() {
        let api = DecisionsApi::new();
        let others = api.held.acquire_many(HELD as u32).await.unwrap();
        let (outcome, answer) = api.answer("decisions", "").await;
        assert_eq!((answer.status, outcome), (503, Outcome::Busy));
        assert!(answer.body.contains("8 other questions are before this one: ask again"));
        drop(others);
        assert_eq!(api.answer("decisions", "").await.0, Outcome::Starting);
    }
}
