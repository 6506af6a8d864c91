//! Shares what may be kept out among keys.

/// Seconds of traffic that a key is weighed by.
const WEIGHED: f64 = 30.0;

/// With what probability each of several demands is kept, so that `goal` is kept in all, exactly.
///
/// Each gets a part of the goal in proportion to its weight. What one does not need is shared out
/// among the others.
pub(super) fn fill(goal: f64, demands: &[(f64, f64)]) -> Vec<f64> {
    let mut by_need: Vec<usize> = (0..demands.len()).collect();
    let need = |at: &usize| demands.get(*at).map_or(0.0, |(demand, weight)| demand / weight);
    by_need.sort_by(|a, b| need(a).total_cmp(&need(b)));
    let (mut goal, mut weights) = (goal, demands.iter().map(|(_, weight)| weight).sum::<f64>());
    let mut kept = vec![1.0; demands.len()];
    for at in by_need {
        let (Some((demand, weight)), Some(kept)) = (demands.get(at), kept.get_mut(at)) else {
            continue;
        };
        let share = goal * weight / weights;
        if *demand > share {
            *kept = (share / demand).clamp(0.0, 1.0);
        }
        goal -= demand.min(share);
        weights -= weight;
    }
    kept
}

/// The weight of a key with this demand in a second: it grows with the logarithm of the traffic.
pub(super) fn weight(demand: f64) -> f64 {
    demand.mul_add(WEIGHED, 1.0).log10().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_goal_is_shared_out() {
        assert_eq!(fill(50.0, &[(100.0, 1.0)]), [0.5]);
        assert_eq!(fill(200.0, &[(100.0, 1.0)]), [1.0]);
        // The small one is kept whole, the others get what it leaves.
        assert_eq!(fill(50.0, &[(80.0, 1.0), (10.0, 1.0), (40.0, 1.0)]), [0.25, 1.0, 0.5]);
        assert_eq!(fill(30.0, &[(100.0, 2.0), (100.0, 1.0)]), [0.2, 0.1]);
        assert_eq!(fill(30.0, &[]), Vec::<f64>::new());
    }

    proptest! {
        #[test]
        fn prop_just_the_goal_is_kept(
            goal in 0.1..1e6_f64,
            demands in vec((0.01..1e6_f64, 0.01..10.0_f64), 1..50),
        ) {
            let kept = fill(goal, &demands);
            let all: f64 = demands.iter().map(|(demand, _)| demand).sum();
            let sum: f64 = kept.iter().zip(&demands).map(|(kept, (demand, _))| kept * demand).sum();
            prop_assert!((sum / goal.min(all) - 1.0).abs() < 1e-6, "{sum} of {goal}");
            // Nobody who is cut gets less for its weight than another.
            let level = |at: usize| kept[at] * demands[at].0 / demands[at].1;
            for cut in (0..kept.len()).filter(|at| kept[*at] < 1.0) {
                prop_assert!((0..kept.len()).all(|at| level(at) <= level(cut) * (1.0 + 1e-6)));
            }
        }
    }
}
