//! Budgets that hold for the whole fleet: thresholds that come out of the log.
//!
//! A policy with a budget keeps a trace where its randomness is not below a threshold. The thresholds
//! are the same for all traces of a budget and key that are due in the same second of a partition, so
//! a kept span can say what it counts for, and there is no bucket that favours who comes first.
//!
//! # Where a threshold comes from
//!
//! ```text
//!  partition 7, at the beginning of second 100            all partitions
//!  ───────────────────────────────────────────            ──────────────
//!  open traces due in 103 ──► what asks then ──────────►  PartitionDemand, in partition 0
//!                                                                │ of the decision log
//!  fleet: what all ask in 101, told at 98  ◄─────────────────────┘
//!      ▼
//!  fill: threshold for 101 ──► RateChange { from 101 } ──► own decision log
//!                                                                │
//!  tables: in force from 101 on  ◄───────────────────────────────┘ read back
//! ```
//!
//! * **What asks is known ahead.** A trace is open for the whole decision wait before it is due. Three
//!   seconds before a second begins, an owner judges the traces that are due in it by what is known of
//!   them, and tells all others what they ask. So a burst has its threshold when its first trace is
//!   due. What still comes in those three seconds is made up for by what has come of late.
//! * **Others are heard through partition 0 of the decision log.** A process puts there, once a second,
//!   what its partitions ask, and reads nothing beyond that partition: a record for each process and
//!   second, and a part of one partition's decisions to skip. To read all partitions would cost every
//!   process all decisions of the fleet; an owner that computes for all would be one that all wait for.
//! * **Each owner computes the thresholds of its partition** out of the same demands, by the same
//!   arithmetic, and writes a change if it is worth it: one record for each partition and second at
//!   most, none without budgets.
//! * **What was kept of late corrects the goal** by a tenth at most: chance and what was not foreseen.
//!
//! # Why a replay, a takeover and catching up agree
//!
//! A trace is decided by the last change whose time is not after its own (`tables`), whoever decides
//! it and whenever. So no change may come to be in force for a time up to which something is decided:
//!
//! 1. An owner writes a change only for a time beyond all that it has decided, and beyond all that
//!    the decisions and changes say which it has read: those of the owners before it.
//! 2. From then on it decides nothing that is due at that time or later until it has read the change
//!    back, and found that its claim counted there. Traces that are due meanwhile get no more spans.
//! 3. A change counts where a decision would count: behind the own claim and before the next one.
//!
//! So at every place of the decision log the changes before it fix the thresholds of all decisions
//! before it. Demand plays no part in that: it is heard at different moments by everybody, and only
//! what was made of it is in the log. A new owner has the thresholds in force from the log (the
//! checkpoint tells from where on), and what asks, with what was kept of late, from partition 0.
//!
//! # How true it is
//!
//! The thresholds are right for what is expected; what is kept beyond that is chance, in ten seconds
//! one part in the square root of the traces kept, and more where their sizes differ. The simulation
//! (`sim`) has 4,000 spans a second to keep, in 16 partitions: within 2 % in every minute, and 1.08
//! times in the worst ten seconds, under steady and skewed load, ramps and bursts.
//!
//! * **A burst** of traces is followed at once if they wait for four seconds or more (the shorter of
//!   both waits), and its first second is not over the goal. Where the wait is shorter, what asks in a
//!   second is known when it is over: thresholds follow two to three seconds later. A cut by the
//!   order of randomness within a second would stop that, but such a threshold depends on the very
//!   traces that it judges: in a partition with a trace in a second or two, where all or none is kept
//!   by turns, it says nothing of how many there were. So there is none.
//! * **A partition without an owner** counts as it was for a minute; where most others have much more
//!   or much less by then, as if it had so, too.
//! * **An owner that is behind** has told of a second when the thresholds of the others stood already.
//!   So it finds the part of the goal that they have left for its partition, by what they knew of it,
//!   and keeps that of what has come: whatever came while there was no owner, the fleet keeps what it
//!   was to keep. What all know is what stands in partition 0, in its order. What a partition has told
//!   itself counts where it is read there, before the others have told of seconds beyond.
//! * **A hot spot** that moves is told ahead as all else is. That it moved to a partition without an
//!   owner shows when there is one: its traces have a lower threshold or a higher one than others then,
//!   and say so.
//! * **A new owner** that has not heard of as many partitions as the last change had takes the others
//!   to be like those that it has heard of.
//! * **While too many traces are open**, and frames are read twice, thresholds stay as they are.
//! * **Keys** beyond those that a partition tells of share a threshold.

mod engine;
mod fill;
mod fleet;
mod meter;
mod tables;

pub use engine::BudgetLevel;
pub(crate) use engine::{Foreseen, Rates};
pub(crate) use fleet::SECONDS_TOLD;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
