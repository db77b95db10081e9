//! A value and every change of it, so that a check can ask what it was at any position. Owns
//! nothing else; must never forget a change (L9 and L10 are judged by what was true when).

/// A value over the positions of one shard. Position `p` is the state before record number `p`.
#[derive(Clone, Debug)]
pub struct Timeline<T>(Vec<(u64, T)>);

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Timeline<T> {
    /// From position `from` on it is `value`.
    pub fn set(&mut self, from: u64, value: T) {
        self.0.push((from, value));
    }

    /// Every value that it ever had.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// What it was at `position`; `None` before its first change.
    pub fn at(&self, position: u64) -> Option<&T> {
        let later = self.0.partition_point(|(from, _)| *from <= position);
        later.checked_sub(1).map(|index| &self.0[index].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_from_its_position_on() {
        let mut timeline = Timeline::default();
        timeline.set(3, 'a');
        timeline.set(5, 'b');
        let seen: Vec<_> = (2..7).map(|position| timeline.at(position).copied()).collect();
        assert_eq!(seen, [None, Some('a'), Some('a'), Some('b'), Some('b')]);
    }
}
