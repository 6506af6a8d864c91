//! Policies: a fold over the spans of a trace, and a verdict.
