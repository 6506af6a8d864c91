//! Spans in, span log out.
