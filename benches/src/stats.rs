//! How figures spread.

use std::fmt;

/// The five numbers that say it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The lowest.
    pub low: f64,
    /// A quarter is below.
    pub quarter: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub three_quarters: f64,
    /// The highest.
    pub high: f64,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { low, quarter, median, three_quarters, high } = self;
        write!(f, "{median:.3} (half of them {quarter:.3} .. {three_quarters:.3}, ")?;
        write!(f, "all {low:.3} .. {high:.3})")
    }
}

impl Spread {
    /// # Panics
    /// There are no figures.
    pub fn of(figures: &[f64]) -> Spread {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Spread {
            low: at(0.0),
            quarter: at(0.25),
            median: at(0.5),
            three_quarters: at(0.75),
            high: at(1.0),
        }
    }
}

/// The figure below which such a part of the sorted figures lies.
///
/// # Panics
/// There are none.
pub fn percentile(sorted: &[u64], part: f64) -> u64 {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_found() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of(&[7.0]).median, 7.0);
    }

    #[test]
    fn percentiles_are_figures_that_occurred() {
        let figures: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&figures, 0.5), 500);
        assert_eq!(percentile(&figures, 0.99), 990);
        assert_eq!(percentile(&figures, 0.999), 999);
        assert_eq!(percentile(&figures, 1.0), 1000);
        assert_eq!(percentile(&[7], 0.5), 7);
    }
}
