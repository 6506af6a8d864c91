//! The condition language of policies, and the regular expressions in them.

pub mod pattern;
