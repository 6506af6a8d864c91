//! Span log in, decisions and kept traces out.
