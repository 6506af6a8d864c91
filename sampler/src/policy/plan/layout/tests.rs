//! Tests of the layout of records.

use super::*;
use crate::policy::plan::fact::Facts;

/// However many facts there are, each is told alone, and the randomness beside all.
#[test]
fn facts_and_the_randomness_share_a_word() {
    for facts in [0, 1, 5, 6, 7, 63, 64, 65, 70, 71, 128, 130] {
        let layout = Layout::new(&Contents { facts, randomness: true, ..Contents::default() });
        let own_word = usize::from(!matches!(facts, 1..=6 | 65..=70 | 130));
        assert_eq!(layout.blank().len(), FACTS + facts.div_ceil(64) + own_word, "{facts}");
        let all = |words: &[u64]| {
            let record = Record { layout: &layout, words };
            let told = (0..facts).filter(|fact| record.has(Fact::new(*fact).unwrap()));
            (told.collect::<Vec<_>>(), record.randomness(), record.states_several())
        };
        for fact in 0..facts {
            let mut words = layout.blank().to_vec();
            [Fact::new(fact).unwrap()]
                .into_iter()
                .collect::<Facts>()
                .add_to(layout.facts_mut(&mut words));
            assert_eq!(all(&words), (vec![fact], None, false));
            let greatest = (1 << 56) - 1;
            layout.add_randomness(&mut words, greatest);
            assert_eq!(all(&words), (vec![fact], Some(greatest), false));
            layout.add_randomness(&mut words, NO_RV);
            layout.add_randomness(&mut words, 0);
            assert_eq!(all(&words), (vec![fact], Some(0), true));
        }
    }
}
