//! Whose decisions count.

use std::collections::VecDeque;

use wholetrace_proto::record::Claim;
use wholetrace_spanlog::Position;

use crate::core::checkpoint::Claimed;

/// Changes of owner that are remembered, and told in the commit. Beyond that, those are forgotten
/// that are longest ago: nobody needs them but who reads a log from there on whose older records
/// are deleted.
const REMEMBERED: usize = 32;

/// How it stands with the own claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClaimState {
    /// None was made.
    None,
    /// It is made, and on its way through the decision log.
    Made(Claim),
    /// It is read back and counts: from here on only its owner decides.
    Held(Claim),
    /// Another one has come before it or after it.
    Superseded(Claim),
}

/// The claims in the decision log, in its order: whoever reads the log finds the same decisions in
/// it, whatever became of those who wrote them.
///
/// Ownerships overlap when a process is paused or cut off and wakes up again. So every owner writes
/// a claim before it decides anything, of a term above all that it has found, and stamps its
/// decisions with it. A claim counts if its term is above that of the claim before; a decision,
/// if it stands behind its claim and before the next. So the decisions in effect at a place of the
/// log come from one owner, who has read all that were in effect before its own.
///
/// A log deletes the claims in it like all else, and what a zombie wrote behind one can be the
/// oldest that is left. So the commit tells since which place whose claim counts.
#[derive(Debug)]
pub(crate) struct Claims {
    /// The term of the last owner's claim, as far as it is known without the log.
    last_term: u64,
    current: Option<Claim>,
    mine: ClaimState,
    /// Since which record which claim counts, as far as that is known, oldest first. What the
    /// commit says of records that are not read yet is in here too.
    known: VecDeque<Claimed>,
}

impl Claims {
    /// None are read yet. The last owner has committed under a claim of `last_term`, or 0, and
    /// knew of those that are `known`.
    pub(crate) fn new(last_term: u64, known: &[Claimed]) -> Self {
        let known = known.iter().copied().collect();
        Self { last_term, current: None, mine: ClaimState::None, known }
    }

    /// Takes over what another reader of the same log knows.
    pub(crate) fn learn(&mut self, from: &Self) {
        self.known.clone_from(&from.known);
    }

    /// Since which record which claim counts, for a reader that begins at `from`.
    pub(crate) fn known_from(&self, from: Position) -> Vec<Claimed> {
        let later = self.known.iter().skip(1).map(Some).chain([None]);
        let needed = |next: Option<&Claimed>| next.is_none_or(|next| next.position > from.0);
        let all = self.known.iter().zip(later);
        all.filter(|(_, next)| needed(*next)).map(|(claimed, _)| *claimed).collect()
    }

    /// The claim to make for `owner`, above all that were read, which is the whole log.
    pub(crate) fn make(&mut self, owner: u64) -> Claim {
        self.recall(Position(u64::MAX));
        let read = self.current.map_or(0, |current| current.term);
        let term = read.max(self.last_term).saturating_add(1);
        let claim = Claim { term, owner };
        self.mine = ClaimState::Made(claim);
        claim
    }

    /// Takes in whose record comes next in the decision log, and stands at `position`. Tells
    /// whether it counts; those of nobody, which other tools write, do.
    pub(crate) fn accept(&mut self, read: Option<Claim>, position: Position) -> bool {
        let Some(read) = read else { return true };
        self.recall(position);
        let counts = match self.current {
            Some(current) => current == read || current.term < read.term,
            None => true,
        };
        if counts && self.current != Some(read) {
            self.current = Some(read);
            if self.known.len() == REMEMBERED {
                self.known.pop_front();
            }
            let Claim { term, owner } = read;
            self.known.push_back(Claimed { position: position.0, term, owner });
        }
        self.mine = match self.mine {
            ClaimState::Made(mine) if counts && read == mine => ClaimState::Held(mine),
            ClaimState::Made(mine) if counts && read.term >= mine.term => {
                ClaimState::Superseded(mine)
            }
            ClaimState::Held(mine) if counts && read != mine => ClaimState::Superseded(mine),
            other => other,
        };
        counts
    }

    /// Has the claim count that is known to do so at `position`, though no record of it was read:
    /// they are deleted, or cannot be read.
    fn recall(&mut self, position: Position) {
        let before = self.known.iter().filter(|known| known.position <= position.0);
        if let Some(Claimed { term, owner, .. }) = before.max_by_key(|known| known.term).copied()
            && self.current.is_none_or(|current| current.term < term)
        {
            self.current = Some(Claim { term, owner });
        }
    }

    /// The own claim, to stamp decisions with.
    pub(crate) const fn mine(&self) -> Option<Claim> {
        match self.mine {
            ClaimState::None => None,
            ClaimState::Made(mine) | ClaimState::Held(mine) | ClaimState::Superseded(mine) => {
                Some(mine)
            }
        }
    }

    /// Whether the own decisions count.
    pub(crate) const fn is_held(&self) -> bool {
        matches!(self.mine, ClaimState::Held(_))
    }

    /// Whether another owner's claim stands in the way of the own one.
    pub(crate) const fn is_superseded(&self) -> bool {
        matches!(self.mine, ClaimState::Superseded(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(term: u64, owner: u64) -> Option<Claim> {
        Some(Claim { term, owner })
    }

    #[test]
    fn the_first_of_the_highest_term_counts() {
        let mut claims = Claims::new(0, &[]);
        for (position, (read, counts)) in (0..).zip([
            (None, true),
            (claim(3, 1), true),
            (claim(3, 1), true),
            (claim(3, 2), false),
            (claim(2, 9), false),
            (claim(5, 2), true),
            (claim(3, 1), false),
            (None, true),
            (claim(5, 2), true),
        ]) {
            assert_eq!(claims.accept(read, Position(position)), counts, "{read:?}");
        }
    }

    /// A claim that the log has deleted is not made again: it could be a zombie's.
    #[test]
    fn a_claim_is_above_what_was_committed() {
        let mut claims = Claims::new(7, &[]);
        assert_eq!(claims.make(1), Claim { term: 8, owner: 1 });
        let mut claims = Claims::new(7, &[]);
        claims.accept(claim(9, 3), Position(1));
        assert_eq!(claims.make(1), Claim { term: 10, owner: 1 });
    }

    #[test]
    fn an_owner_knows_how_its_claim_stands() {
        let claim_state = |before: &[Option<Claim>], after: &[Option<Claim>]| {
            let mut claims = Claims::new(0, &[]);
            for read in before {
                claims.accept(*read, Position(1));
            }
            assert!(!claims.is_held() && !claims.is_superseded() && claims.mine().is_none());
            assert_eq!(claims.make(7), Claim { term: 4, owner: 7 });
            for read in after {
                claims.accept(*read, Position(2));
            }
            (claims.is_held(), claims.is_superseded())
        };
        let before = [claim(3, 1)];
        assert_eq!(claim_state(&before, &[]), (false, false));
        assert_eq!(claim_state(&before, &[claim(3, 1)]), (false, false));
        assert_eq!(claim_state(&before, &[claim(4, 7)]), (true, false));
        assert_eq!(claim_state(&before, &[claim(4, 7), claim(3, 1), claim(4, 8)]), (true, false));
        assert_eq!(claim_state(&before, &[claim(4, 7), claim(5, 8)]), (false, true));
        assert_eq!(claim_state(&before, &[claim(4, 8), claim(4, 7)]), (false, true));
    }

    /// Whoever begins in the middle, because what is before is deleted, finds the same ones that
    /// count.
    #[test]
    fn what_is_deleted_counts_all_the_same() {
        let log = [(2, 1), (2, 1), (3, 2), (2, 1), (4, 3), (3, 2), (2, 1), (4, 3)];
        let read = |claims: &mut Claims, from: usize| -> Vec<bool> {
            let records = (0..).zip(log).skip(from);
            records
                .map(|(at, (term, owner))| claims.accept(claim(term, owner), Position(at)))
                .collect()
        };
        let mut all = Claims::new(0, &[]);
        let counts = read(&mut all, 0);
        assert_eq!(counts, [true, true, true, false, true, false, false, true]);
        for begin in 0..log.len() {
            for asked in 0..=begin {
                let known = all.known_from(Position(asked as u64));
                let mut claims = Claims::new(4, &known);
                assert_eq!(read(&mut claims, begin), counts[begin..], "{asked} {begin} {known:?}");
                let later = claims.known_from(Position(begin as u64));
                assert_eq!(later, all.known_from(Position(begin as u64)));
            }
        }
        let mut claims = Claims::new(0, &all.known_from(Position(7)));
        assert_eq!(claims.make(9), Claim { term: 5, owner: 9 });
        assert!(!claims.accept(claim(3, 2), Position(8)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut claims = Claims::new(0, &[]);
        for term in 1..1000 {
            assert!(claims.accept(claim(term, term), Position(term)));
        }
        assert_eq!(claims.known_from(Position(0)).len(), REMEMBERED);
        assert_eq!(claims.known_from(Position(997)).len(), 3);
    }
}
