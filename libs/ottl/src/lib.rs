//! The condition language of policies: OTTL as tail sampling speaks it, evaluated on the fields
//! that a condition names.
//!
//! ```text
//!  attributes["http.status_code"] >= 500 and IsRootSpan()
//!    │ syntax     lexer: tokens; parser: the tree of what is written
//!    ▼ check      names become slots of fields, literals values; what cannot be right is refused
//!  Condition ── paths() ──▶ whoever reads spans: finds these fields where they lie
//!    │                        │ Value: of texts, lists and maps the bytes in the span
//!    ▼ evaluate   ◀── Fields ─┘ nothing is decoded that no converter looks into
//!  Ok(true), Ok(false), or EvaluationError
//! ```
//!
//! A condition and a span's fields:
//!
//! ```
//! use wholetrace_ottl::{Condition, Context, Path, Value};
//!
//! let source = r#"status.code == STATUS_CODE_ERROR and attributes["shop"] != "test""#;
//! let condition = Condition::parse(source, Context::Span).unwrap();
//! assert_eq!(condition.paths(), [Path::SpanStatusCode, Path::SpanAttribute("shop".into())]);
//!
//! let fields = [Value::Int(2), Value::Str(b"books")];
//! assert_eq!(condition.evaluate(fields.as_slice()), Ok(true));
//! // An attribute that is absent is nil, which differs from every text.
//! assert_eq!(condition.evaluate([Value::Int(2), Value::Nil].as_slice()), Ok(true));
//!
//! let problems = Condition::parse("span.stauts.code == 2", Context::Span).unwrap_err();
//! assert_eq!(
//!     problems[0].to_string(),
//!     "line 1, column 1: there is no path `span.stauts.code`: did you mean `span.status.code`?",
//! );
//! ```
//!
//! [`TraceCondition`] is the same language over what is known of a whole trace: its duration, its
//! counts, its root span, and on how many of its spans a condition holds.
//!
//! Everything is bounded: the text of a condition by [`SOURCE_MAX`], its nesting and that of the
//! values it looks into by [`DEPTH_MAX`]; patterns are searched in linear time.

mod check;
mod compare;
mod condition;
mod convert;
mod error;
mod evaluate;
mod limits;
mod path;
pub mod pattern;
mod problem;
mod program;
mod syntax;
mod trace;
mod value;

pub use condition::Condition;
pub use error::EvaluationError;
pub use evaluate::Fields;
pub use limits::{DEPTH_MAX, SOURCE_MAX};
pub use path::{Context, Path};
pub use problem::Problem;
pub use trace::{Ask, TraceCondition};
pub use value::{Entries, Items, Made, Time, Tree, Value};

#[cfg(test)]
mod tests;
