//! Whose decisions count.

use wholetrace_proto::record::Claim;

/// How it stands with the own claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
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
#[derive(Debug)]
pub(crate) struct Claims {
    /// The term of the last owner's claim, as far as it is known without the log.
    last_term: u64,
    current: Option<Claim>,
    mine: Standing,
}

impl Claims {
    /// None are read yet. The last owner has committed under a claim of `last_term`, or 0.
    pub(crate) const fn new(last_term: u64) -> Self {
        Self { last_term, current: None, mine: Standing::None }
    }

    /// The claim to make for `owner`, above all that were read.
    pub(crate) fn make(&mut self, owner: u64) -> Claim {
        let read = self.current.map_or(0, |current| current.term);
        let term = read.max(self.last_term).saturating_add(1);
        let claim = Claim { term, owner };
        self.mine = Standing::Made(claim);
        claim
    }

    /// Takes in whose record comes next in the decision log. Tells whether it counts; those of
    /// nobody, which other tools write, do.
    pub(crate) fn heed(&mut self, read: Option<Claim>) -> bool {
        let Some(read) = read else { return true };
        let counts = match self.current {
            Some(current) => current == read || current.term < read.term,
            None => true,
        };
        if counts {
            self.current = Some(read);
        }
        self.mine = match self.mine {
            Standing::Made(mine) if counts && read == mine => Standing::Held(mine),
            Standing::Made(mine) if counts && read.term >= mine.term => Standing::Superseded(mine),
            Standing::Held(mine) if counts && read != mine => Standing::Superseded(mine),
            other => other,
        };
        counts
    }

    /// The own claim, to stamp decisions with.
    pub(crate) const fn mine(&self) -> Option<Claim> {
        match self.mine {
            Standing::None => None,
            Standing::Made(mine) | Standing::Held(mine) | Standing::Superseded(mine) => Some(mine),
        }
    }

    /// Whether the own decisions count.
    pub(crate) const fn is_held(&self) -> bool {
        matches!(self.mine, Standing::Held(_))
    }

    /// Whether another owner's claim stands in the way of the own one.
    pub(crate) const fn is_superseded(&self) -> bool {
        matches!(self.mine, Standing::Superseded(_))
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
        let mut claims = Claims::new(0);
        for (read, counts) in [
            (None, true),
            (claim(3, 1), true),
            (claim(3, 1), true),
            (claim(3, 2), false),
            (claim(2, 9), false),
            (claim(5, 2), true),
            (claim(3, 1), false),
            (None, true),
            (claim(5, 2), true),
        ] {
            assert_eq!(claims.heed(read), counts, "{read:?}");
        }
    }

    /// A claim that the log has deleted is not made again: it could be a zombie's.
    #[test]
    fn a_claim_is_above_what_was_committed() {
        let mut claims = Claims::new(7);
        assert_eq!(claims.make(1), Claim { term: 8, owner: 1 });
        let mut claims = Claims::new(7);
        claims.heed(claim(9, 3));
        assert_eq!(claims.make(1), Claim { term: 10, owner: 1 });
    }

    #[test]
    fn an_owner_knows_how_its_claim_stands() {
        let standing = |before: &[Option<Claim>], after: &[Option<Claim>]| {
            let mut claims = Claims::new(0);
            for read in before {
                claims.heed(*read);
            }
            assert!(!claims.is_held() && !claims.is_superseded() && claims.mine().is_none());
            assert_eq!(claims.make(7), Claim { term: 4, owner: 7 });
            for read in after {
                claims.heed(*read);
            }
            (claims.is_held(), claims.is_superseded())
        };
        let before = [claim(3, 1)];
        assert_eq!(standing(&before, &[]), (false, false));
        assert_eq!(standing(&before, &[claim(3, 1)]), (false, false));
        assert_eq!(standing(&before, &[claim(4, 7)]), (true, false));
        assert_eq!(standing(&before, &[claim(4, 7), claim(3, 1), claim(4, 8)]), (true, false));
        assert_eq!(standing(&before, &[claim(4, 7), claim(5, 8)]), (false, true));
        assert_eq!(standing(&before, &[claim(4, 8), claim(4, 7)]), (false, true));
    }
}
