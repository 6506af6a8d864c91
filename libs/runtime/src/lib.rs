//! What a process needs before it knows what a span is.
