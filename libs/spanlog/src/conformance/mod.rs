//! The suite that every implementation of the log passes.
//!
//! An implementation brings a [`Subject`]; [`conformance_tests!`](crate::conformance_tests) makes a
//! test of each case. The cases hold for Kafka too: positions may have gaps, the clock may not be
//! ours, and what an implementation cannot do on demand ([`Subject::stall`]) it says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test suite: this is how it fails"
)]

mod appending;
mod membership;
mod reading;
mod subject;
mod surviving;

pub use appending::{
    a_batch_is_taken_whole_or_not_at_all, a_batch_is_written_in_order,
    a_dropped_append_is_still_written, appends_of_many_callers_all_arrive,
    full_is_answered_at_once, kinds_epochs_and_payloads_come_back, positions_increase_in_order,
    topics_are_apart, what_can_never_be_stored_is_refused_for_good,
};
pub use membership::{
    a_member_owns_every_partition_once, closing_revokes_and_waits_for_the_release,
    commits_come_back_to_the_next_owner,
};
pub use reading::{
    a_cursor_starts_where_it_is_told, a_cursor_waits_and_loses_nothing_when_cancelled,
    a_damaged_record_is_a_gap_of_one, a_position_beyond_the_end_is_told,
    fetch_fits_its_bound_but_gives_at_least_one, several_cursors_see_the_same,
    the_extent_is_what_can_be_read, who_looks_is_told_what_there_is,
};
pub use subject::Subject;
pub use surviving::{
    an_answered_append_survives_a_crash, handles_of_a_closed_log_are_dead,
    times_are_the_same_at_every_reading,
};

/// Makes a test of each case of the suite. Takes an expression that makes a fresh
/// [`Subject`](crate::conformance::Subject); or, behind `if`, an `Option` of one: without it the case
/// is skipped.
#[macro_export]
macro_rules! conformance_tests {
    (if $subject:expr) => {
        $crate::conformance_tests!(@ $subject;
            positions_increase_in_order,
            kinds_epochs_and_payloads_come_back,
            topics_are_apart,
            a_dropped_append_is_still_written,
            appends_of_many_callers_all_arrive,
            full_is_answered_at_once,
            a_batch_is_written_in_order,
            a_batch_is_taken_whole_or_not_at_all,
            what_can_never_be_stored_is_refused_for_good,
            a_cursor_starts_where_it_is_told,
            a_cursor_waits_and_loses_nothing_when_cancelled,
            fetch_fits_its_bound_but_gives_at_least_one,
            several_cursors_see_the_same,
            the_extent_is_what_can_be_read,
            who_looks_is_told_what_there_is,
            a_damaged_record_is_a_gap_of_one,
            a_position_beyond_the_end_is_told,
            an_answered_append_survives_a_crash,
            handles_of_a_closed_log_are_dead,
            times_are_the_same_at_every_reading,
            a_member_owns_every_partition_once,
            closing_revokes_and_waits_for_the_release,
            commits_come_back_to_the_next_owner,
        );
    };
    (@ $subject:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject: Option<_> = $subject;
                if let Some(subject) = subject {
                    $crate::conformance::$case(subject).await;
                }
            }
        )*
    };
    ($subject:expr) => {
        $crate::conformance_tests!(if Some($subject));
    };
}
