//! Tables of connections for the tests of each store: an address, options, and what comes of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use graticule_engine::source::StoreConnector;

/// No output of a test case may contain this; tables use it wherever a secret stands.
const SECRET: &str = "s3cr3t";

/// A row of the table.
pub(super) struct Case<'a> {
    address: &'a str,
    options: &'a [(&'a str, &'a str)],
    expected: Result<(&'a str, &'a str), &'a str>,
}

impl<'a> Case<'a> {
    /// Connects, shows `url`, and the location has the `path`.
    pub(super) fn good(
        address: &'a str,
        options: &'a [(&'a str, &'a str)],
        url: &'a str,
        path: &'a str,
    ) -> Self {
        let expected = Ok((url, path));
        Self {
            address,
            options,
            expected,
        }
    }

    /// Fails with a message that contains `part`.
    pub(super) fn bad(address: &'a str, options: &'a [(&'a str, &'a str)], part: &'a str) -> Self {
        let expected = Err(part);
        Self {
            address,
            options,
            expected,
        }
    }
}

/// Checks each row, and that no secret is in any text that comes of it.
pub(super) fn check_connections(connector: &dyn StoreConnector, cases: &[Case]) {
    for case in cases {
        let options = case
            .options
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect();
        let outcome = connector.connect(case.address, &options);
        let row = format!("{} {:?}", case.address, case.options);
        let shown = match (&outcome, case.expected) {
            (Ok(location), Ok((url, path))) => {
                assert_eq!(location.url, url, "{row}");
                assert_eq!(location.path.as_ref(), path, "{row}");
                format!("{location:?} {} {outcome:?}", location.store)
            }
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{row}: {error}");
                format!("{error} {error:?}")
            }
            (outcome, _) => panic!("{row}: {outcome:?}"),
        };
        assert!(!shown.contains(SECRET), "{row}: {shown}");
    }
    for (name, documentation) in connector.options() {
        assert!(!documentation.is_empty() && name.to_lowercase() == *name);
    }
}
