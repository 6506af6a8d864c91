//! What is bounded.

/// The most bytes of a condition's text.
pub const SOURCE_MAX: usize = 64 * 1024;

/// The most levels of parentheses, lists, maps and calls in each other, and of lists and maps in
/// an attribute that a comparison or a converter looks into.
pub const DEPTH_MAX: usize = 64;
