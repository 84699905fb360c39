//! The name somebody probably meant.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// The candidate that `name` is most likely a misspelling of, if any is close enough: at most a
/// third of its letters (and never fewer than two) differ, or one begins with the other.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = levenshtein(&name, &other);
            let longest = name.chars().count().max(other.chars().count());
            let contained = name.len() > 2 && other.contains(&name);
            (distance <= (longest / 3).max(2) && distance < longest || contained)
                .then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_misspellings_only() {
        let cases = [
            ("chl", Some("conc_chl")),
            ("conc_chll", Some("conc_chl")),
            ("LAT", Some("lat")),
            ("tmie", Some("time")),
            ("temperature", None),
            ("", None),
        ];
        for (name, expected) in cases {
            let found = nearest(name, ["time", "lat", "lon", "conc_chl"].into_iter());
            assert_eq!(found, expected, "{name}");
        }
    }
}
