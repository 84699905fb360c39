//! The known name that somebody most likely meant.

/// The name of `names` nearest to `word`, when it is near enough to be a typing error: at most one
/// edit in three characters (Damerau–Levenshtein distance).
pub(crate) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), *name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance * 3 <= name.len().max(word.len()))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_typing_errors_only() {
        let names = ["region", "endpoint", "secret_access_key", "anonymous"];
        for (word, expected) in [
            ("regoin", Some("region")),
            ("Region", Some("region")),
            ("end_point", Some("endpoint")),
            ("secret_key", None),
            ("secret_acces_key", Some("secret_access_key")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &names), expected, "{word:?}");
        }
        assert_eq!(nearest("word", &[]), None);
    }
}
