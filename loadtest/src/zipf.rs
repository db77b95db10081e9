//! Owns: Zipf's law over ranks: the busiest bar sells far more than the quietest.
//! Must never: draw from anything but the generator handed in (a seed repeats a run).
//! Laws: none.

use crate::num::{count, to_f64};

/// Draws ranks 0.. with probability proportional to 1 / (rank + 1)^exponent.
#[derive(Debug, Clone)]
pub struct Zipf {
    // Probability that the rank is at most the index, scaled to the full range of u64.
    bounds: Vec<f64>,
}

impl Zipf {
    /// A law over `ranks` ranks (at least one). Exponent 0 is uniform, 1 is Zipf's own.
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=count(ranks.max(1))).map(|rank| to_f64(rank).powf(-exponent)).collect();
        let whole: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let bounds = weights
            .iter()
            .map(|weight| {
                sum += weight / whole;
                sum
            })
            .collect();
        Self { bounds }
    }

    /// One rank.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let point = rng.f64();
        self.bounds.partition_point(|bound| *bound <= point).min(self.bounds.len() - 1)
    }

    /// The probability of a rank.
    pub fn share(&self, rank: usize) -> f64 {
        let before = rank.checked_sub(1).and_then(|index| self.bounds.get(index)).copied().unwrap_or(0.0);
        self.bounds.get(rank).map_or(0.0, |bound| bound - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_law_and_sum_to_one() {
        let zipf = Zipf::new(200, 1.0);
        let sum: f64 = (0..200).map(|rank| zipf.share(rank)).sum();
        assert!((sum - 1.0).abs() < 1e-9);
        assert!((zipf.share(0) / zipf.share(9) - 10.0).abs() < 1e-6);
        assert!(zipf.share(200).abs() < f64::EPSILON);
    }

    #[test]
    fn draws_match_the_shares() {
        let zipf = Zipf::new(50, 0.9);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut drawn = [0_u64; 50];
        for _ in 0..200_000 {
            drawn[zipf.draw(&mut rng)] += 1;
        }
        for (rank, times) in drawn.iter().enumerate() {
            let expected = zipf.share(rank) * 200_000.0;
            assert!((to_f64(*times) - expected).abs() < 6.0 * expected.sqrt() + 1.0, "rank {rank}");
        }
    }

    #[test]
    fn no_ranks_still_give_the_first() {
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(Zipf::new(0, 1.0).draw(&mut rng), 0);
    }
}
