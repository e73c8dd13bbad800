//! Tenants of different activity: tenant `k` is chosen with a probability proportional to `k^-exponent`.

use fastrand::Rng;

/// Samples from a Zipf distribution by rejection-inversion (W. Hörmann, G. Derflinger, 1996), in constant time and memory.
#[derive(Debug)]
pub(super) struct Zipf {
    exponent: f64,
    /// Integrals of the density up to the first and after the last rank.
    first: f64,
    last: f64,
    /// A sample this close below its rank needs no test.
    accepted: f64,
    ranks: f64,
}

impl Zipf {
    /// Ranks from 1 to `ranks`. An exponent of 0 makes all ranks equally likely.
    pub(super) fn new(ranks: u64, exponent: f64) -> Self {
        let ranks = ranks.max(1) as f64;
        Self {
            exponent,
            first: integral(1.5, exponent) - 1.0,
            last: integral(ranks + 0.5, exponent),
            accepted: 2.0 - inverse(integral(2.5, exponent) - 2_f64.powf(-exponent), exponent),
            ranks,
        }
    }

    pub(super) fn sample(&self, random: &mut Rng) -> u64 {
        loop {
            let area = self.last + random.f64() * (self.first - self.last);
            let position = inverse(area, self.exponent);
            let rank = position.round().clamp(1.0, self.ranks);
            if rank - position <= self.accepted
                || area >= integral(rank + 0.5, self.exponent) - rank.powf(-self.exponent)
            {
                return rank as u64;
            }
        }
    }

    /// Share of all requests that belong to the `top` most active tenants.
    pub(super) fn share(&self, top: f64) -> f64 {
        let sum = |ranks: f64| harmonic(ranks.min(self.ranks), self.exponent);
        sum(top) / sum(self.ranks)
    }
}

/// Integral of `x^-exponent` from 1 to `x`.
fn integral(x: f64, exponent: f64) -> f64 {
    let power = 1.0 - exponent;
    match power.abs() < 1e-9 {
        true => x.ln(),
        false => (x.powf(power) - 1.0) / power,
    }
}

/// Inverse of [`integral`].
fn inverse(area: f64, exponent: f64) -> f64 {
    let power = 1.0 - exponent;
    match power.abs() < 1e-9 {
        true => area.exp(),
        false => (1.0 + area * power).powf(1.0 / power),
    }
}

/// Sum of `k^-exponent` for `k` from 1 to `ranks`: exact for the first terms, then the midpoint rule.
fn harmonic(ranks: f64, exponent: f64) -> f64 {
    const EXACT: f64 = 1000.0;
    let mut sum = 0.0;
    let mut rank = 1.0;
    while rank <= ranks.min(EXACT) {
        sum += f64::powf(rank, -exponent);
        rank += 1.0;
    }
    if ranks > EXACT {
        sum += integral(ranks + 0.5, exponent) - integral(EXACT + 0.5, exponent);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares frequencies with exact probabilities.
    #[test]
    fn ranks_have_their_probabilities() {
        const SAMPLES: usize = 200_000;
        for exponent in [0.0, 0.7, 1.0, 1.3] {
            let zipf = Zipf::new(20, exponent);
            let mut random = Rng::with_seed(7);
            let mut counts = [0_u32; 20];
            for _ in 0..SAMPLES {
                counts[zipf.sample(&mut random) as usize - 1] += 1;
            }
            let total: f64 = (1..=20).map(|k| f64::from(k).powf(-exponent)).sum();
            for (count, rank) in counts.into_iter().zip(1..) {
                let expected = f64::from(rank).powf(-exponent) / total;
                let found = f64::from(count) / SAMPLES as f64;
                let deviation = (expected / SAMPLES as f64).sqrt();
                assert!(
                    (found - expected).abs() < 4.5 * deviation,
                    "{exponent} {rank}: {found} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn the_most_active_of_a_million_tenants_has_seven_percent() {
        let zipf = Zipf::new(1_000_000, 1.0);
        assert!((zipf.share(1.0) - 0.0695).abs() < 0.0001);
        assert!((zipf.share(1_000_000.0) - 1.0).abs() < 1e-9);
        let mut random = Rng::with_seed(1);
        let first = (0..100_000)
            .filter(|_| zipf.sample(&mut random) == 1)
            .count();
        assert!((6_600..7_300).contains(&first), "{first}");
    }
}
