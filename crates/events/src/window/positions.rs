use std::fmt;
use std::str::FromStr;

/// Where the subscriptions of a window go on after, by their number in it.
///
/// All that wait for something new stand at the same place, so that place is kept once: positions are what is written most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Positions {
    /// That of all others; none is further.
    most: u64,
    /// Those that are behind, in no particular order.
    behind: Vec<(u32, u64)>,
}

impl Positions {
    /// Where the subscription of this number goes on after.
    pub fn at(&self, n: u32) -> u64 {
        self.behind.iter().find(|(behind, _)| *behind == n).map_or(self.most, |(_, at)| *at)
    }
}

impl FromIterator<(u32, u64)> for Positions {
    fn from_iter<T: IntoIterator<Item = (u32, u64)>>(all: T) -> Self {
        let mut behind: Vec<_> = all.into_iter().collect();
        let most = behind.iter().map(|(_, at)| *at).max().unwrap_or(0);
        behind.retain(|(_, at)| *at < most);
        Self { most, behind }
    }
}

/// `1200 3:1187`: all at 1,200 but the third.
impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.most)?;
        self.behind.iter().try_for_each(|(n, at)| write!(f, " {n}:{at}"))
    }
}

impl FromStr for Positions {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut positions = Self::default();
        for word in text.split_ascii_whitespace() {
            match word.split_once(':') {
                Some((n, at)) => positions.behind.push((n.parse()?, at.parse()?)),
                None => positions.most = word.parse()?,
            }
        }
        Ok(positions)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_is_where_it_was_also_after_writing(all in prop::collection::btree_map(any::<u32>(), 0..9_u64, 0..9)) {
            let positions: Positions = all.clone().into_iter().collect();
            let read: Positions = positions.to_string().parse().unwrap();
            prop_assert_eq!(&read, &positions);
            prop_assert!(all.iter().all(|(n, at)| read.at(*n) == *at));
        }

        #[test]
        fn no_text_makes_reading_panic(text in ".{0,40}") {
            let _ = text.parse::<Positions>();
        }
    }

    #[test]
    fn those_that_wait_for_something_new_cost_nothing() {
        let positions: Positions = (0..100).map(|n| (n, if n == 3 { 1_187 } else { 1_200 })).collect();
        assert_eq!(positions.to_string(), "1200 3:1187");
    }
}
