//! The types of policies, one file each: its settings, what it asks for, its rule, its tests. A new
//! one needs a file here and a row in the table of [`policies`](crate::policy::policies).

pub mod always_sample;
pub mod and;
pub mod boolean_attribute;
pub mod bytes_limiting;
pub mod composite;
pub mod drop;
pub mod dynamic;
pub mod latency;
pub mod not;
pub mod numeric_attribute;
pub mod or;
pub mod ottl_condition;
pub mod probabilistic;
pub mod probabilistic_sampler;
pub mod rate_limiting;
pub mod span_count;
pub mod status_code;
pub mod string_attribute;
pub mod trace_condition;
pub mod trace_flags;
pub mod trace_state;
