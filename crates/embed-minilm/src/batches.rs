/// The most tokens that are looked at in one go, padding included. More is not faster, takes memory (some 10 MB per 256 tokens), and
/// lets a short text wait longer.
const TOKENS: usize = 1_024;

/// Groups texts by their lengths in tokens, so that little is padded: the places of the texts of each batch. A batch holds at
/// least one text, and at most [`TOKENS`] tokens unless one text alone has more.
pub(crate) fn batches(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut places: Vec<usize> = (0..lengths.len()).collect();
    places.sort_by_key(|place| lengths[*place]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for place in places {
        match batches.last_mut() {
            // In the order of their lengths, so the newest is the longest.
            Some(batch) if (batch.len() + 1) * lengths[place] <= TOKENS => batch.push(place),
            _ => batches.push(vec![place]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_texts_go_together_and_long_ones_by_themselves() {
        assert_eq!(batches(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(batches(&[5]), [[0]]);
        assert_eq!(batches(&[500, 10, 500, 12]), [[1, 3], [0, 2]]);
        assert_eq!(batches(&[5_000, 5_000]).len(), 2);
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_and_no_batch_is_too_large(lengths in prop::collection::vec(1_usize..300, 0..80)) {
            let batches = batches(&lengths);
            let mut all: Vec<usize> = batches.iter().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|place| lengths[*place]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * longest <= TOKENS);
            }
        }
    }
}
