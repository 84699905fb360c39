//! What must not be shown or kept: what addresses say to their server alone, and the values of secret options.

/// Words in the names of options whose values must not be written down.
const SECRET_WORDS: [&str; 7] = [
    "secret",
    "password",
    "token",
    "key",
    "credential",
    "sas",
    "headers",
];

const PASSWORD: &str = "password";

/// Is the value of an option of this name a secret?
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A text without what addresses in it say to the server alone: names, passwords, query strings.
///
/// ```text
///  FROM 'https://me:secret@host/x.zarr?sig=…'  ──▶  FROM 'https://host/x.zarr'
/// ```
pub fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, address) = rest.split_at(start + 3);
        let end = address.find(|c: char| c.is_whitespace() || "'\"`;)".contains(c));
        let (address, after) = address.split_at(end.unwrap_or(address.len()));
        let is_web = ["http://", "https://"].iter().any(|scheme| {
            let start = before.len().checked_sub(scheme.len());
            let found = start.and_then(|start| before.get(start..));
            found.is_some_and(|found| found.eq_ignore_ascii_case(scheme))
        });
        let host_end = address.find('/').unwrap_or(address.len());
        let (host, path) = address.split_at(host_end);
        let host = host.rsplit('@').next().unwrap_or_default();
        clean.push_str(before);
        // In the paths of other stores `?` stands for any character.
        let visible = |part: &'_ str| match part.split_once('?') {
            Some((visible, _)) if is_web => visible.to_string(),
            _ => part.to_string(),
        };
        clean.push_str(&visible(host));
        if !(is_web && host.contains('?')) {
            clean.push_str(&visible(path));
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// A statement as lists show it: [`without_secrets`], and without texts that follow the name of a secret option.
///
/// ```text
///  ATTACH 's3://b' AS lake (secret_access_key 'abc')  ──▶  ATTACH 's3://b' AS lake (secret_access_key '***')
/// ```
pub fn as_listed(statement: &str) -> String {
    let statement = without_secrets(statement);
    if let Some(before) = before_password(&statement) {
        return format!("{before} '***'");
    }
    let mut listed = String::with_capacity(statement.len());
    let mut name = String::new();
    let mut letters = statement.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                let mut text = String::new();
                while let Some(letter) = letters.next() {
                    match letter {
                        '\'' if letters.next_if_eq(&'\'').is_some() => text.push_str("''"),
                        '\'' => break,
                        _ => text.push(letter),
                    }
                }
                let is_value = is_secret(&name);
                listed.push_str(&match is_value {
                    true => "'***'".to_string(),
                    false => format!("'{text}'"),
                });
                name = if is_value { String::new() } else { text };
            }
            _ if letter.is_alphanumeric() || letter == '_' => {
                name = letter.to_string();
                while let Some(more) = letters.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(more);
                }
                listed.push_str(&name);
            }
            _ => {
                if !(letter.is_whitespace() || "=>:".contains(letter)) {
                    name.clear();
                }
                listed.push(letter);
            }
        }
    }
    listed
}

/// A statement about a user or role, up to the word `PASSWORD`: in whichever quotes, nothing after it is shown.
fn before_password(statement: &str) -> Option<&str> {
    let lower = statement.to_ascii_lowercase();
    let words = lower.split_whitespace();
    let mut words = words.filter(|word| !["or", "replace"].contains(word));
    let is_about =
        ["create", "alter"].contains(&words.next()?) && ["user", "role"].contains(&words.next()?);
    let start = lower.find(PASSWORD).filter(|_| is_about)?;
    statement.get(..start + PASSWORD.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out() {
        let cases = [
            ("FROM 'https://u:p@h/a?sig=1' x", "FROM 'https://h/a' x"),
            ("HTTPS://h?sig=1", "HTTPS://h"),
            (
                "s3://bucket/a?.zarr, http://h:80/b",
                "s3://bucket/a?.zarr, http://h:80/b",
            ),
            ("s3://key:secret@bucket/a", "s3://bucket/a"),
            ("('https://h/a?x=/b/c')", "('https://h/a')"),
            ("a ? b", "a ? b"),
            ("https://h/a@v1?q", "https://h/a@v1"),
            ("://", "://"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_secrets(text), expected);
        }
    }

    #[test]
    fn values_of_secret_options_are_not_listed() {
        for (statement, expected) in [
            (
                "ATTACH 's3://b' AS lake (region 'eu', secret_access_key 'a''b')",
                "ATTACH 's3://b' AS lake (region 'eu', secret_access_key '***')",
            ),
            (
                "COPY t TO 'x' OPTIONS ('sas_token' 'abc', 'codec' 'zstd')",
                "COPY t TO 'x' OPTIONS ('sas_token' '***', 'codec' 'zstd')",
            ),
            (
                "SELECT f(password => 'x'), 'y'",
                "SELECT f(password => '***'), 'y'",
            ),
            (
                "CREATE USER ada WITH PASSWORD 'SCRAM-SHA-256$4096:a'",
                "CREATE USER ada WITH PASSWORD '***'",
            ),
            (
                "alter user ada password E'a' -- b",
                "alter user ada password '***'",
            ),
            (
                "CREATE OR REPLACE USER ada PASSWORD $$a$$",
                "CREATE OR REPLACE USER ada PASSWORD '***'",
            ),
            ("SELECT 'it''s', 'key' AS k", "SELECT 'it''s', 'key' AS k"),
        ] {
            assert_eq!(as_listed(statement), expected);
        }
    }
}
