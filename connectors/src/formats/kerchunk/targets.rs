//! The files that references lead to: [`Targets`], from URLs in a set to places in stores.
//!
//! | in the set | is | allowed for |
//! |---|---|---|
//! | `a.nc`, `../b/c.nc` | beside the set | every set; its own store is asked |
//! | `/data/a.nc`, `file:///data/a.nc` | a file of this machine | sets that are files of this machine |
//! | `s3://…`, `gs://…`, `az://…` | an object | every set |
//! | `https://…` | a file of a web server | every set; of this machine's own network only sets of it |
//!
//! Who writes a set tells this process what to ask for. So a set from elsewhere does not name files of this machine or
//! addresses that only this machine can reach, and no credentials go along: requests are not signed unless the user says
//! so, and options of the user that are secrets stay with the store they are for. Only what stands in the set is looked
//! at: names of hosts are not resolved, and redirects of a server outside are followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::{Location, Options};
use object_store::path::{Path, PathPart};
use url::{Host, Url};

use crate::stores::connector_for;

/// What stands before the name of a store's option that is meant for the files of a set.
const PREFIX: &str = "remote_";

/// The options of sets. Without the prefix they are options of the stores. None is a secret: the set decides which
/// host would see it.
pub(in crate::formats) const OPTIONS: &[(&str, &str)] = &[
    (
        "remote_anonymous",
        "false: requests for the files of a reference set are signed with the keys of the environment",
    ),
    (
        "remote_endpoint",
        "URL of the server that has the files of a reference set, as the option endpoint of stores",
    ),
    (
        "remote_region",
        "region of the bucket with the files of a reference set",
    ),
    (
        "remote_account",
        "storage account with the files of a reference set",
    ),
    (
        "remote_path_style",
        "true: the bucket with the files of a reference set is in the path, not in the host name",
    ),
    (
        "remote_allow_http",
        "true: files of a reference set may be asked for without encryption",
    ),
    (
        "remote_request_payer",
        "true: we pay for the transfer of files of a reference set",
    ),
    (
        "remote_max_connections",
        "requests at once to a host with files of a reference set",
    ),
    (
        "remote_max_retries",
        "how often a failed request for a file of a reference set is repeated",
    ),
    (
        "remote_read_timeout",
        "longest silence of a store with files of a reference set",
    ),
];

/// Places that are kept: a set may name very many files.
const MOST_KEPT: usize = 10_000;

/// The files of one set.
#[derive(Debug)]
pub(in crate::formats) struct Targets {
    set: Location,
    options: Options,
    kept: Mutex<HashMap<Arc<str>, Location>>,
}

impl Targets {
    /// Of the set at `set`, which was opened with `options`.
    pub(in crate::formats) fn new(set: &Location, options: &Options) -> Self {
        let options = options.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?;
            Some((name.to_string(), value.clone()))
        });
        Self {
            set: set.clone(),
            options: options.collect(),
            kept: Mutex::default(),
        }
    }

    /// Where the file is that the set calls `url`. Nothing is asked of a store.
    ///
    /// # Errors
    /// The URL makes no sense, or the set may not lead there.
    pub(in crate::formats) fn find(&self, url: &Arc<str>) -> CubeResult<Location> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(url) {
            return Ok(known.clone());
        }
        let found = self.connect(url)?;
        let mut kept = kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(Arc::clone(url), found.clone());
        Ok(found)
    }

    fn connect(&self, url: &str) -> CubeResult<Location> {
        if !url.contains("://") && !url.starts_with('/') && !url.starts_with("file:") {
            return self.beside(url);
        }
        let connector = connector_for(url).map_err(|error| error.within(&self.set.url))?;
        match connector.kinds().first().copied() {
            Some("file") => self.check_local(url)?,
            Some("memory") => self.check_memory(url)?,
            Some("https") => self.check_host(url)?,
            _ => {}
        }
        let known = |name: &str| connector.options().iter().any(|(known, _)| *known == name);
        let mut options: Options = self.options.clone();
        options.retain(|name, _| known(name));
        if known("anonymous") {
            let anonymous = || "true".to_string();
            options
                .entry("anonymous".to_string())
                .or_insert_with(anonymous);
        }
        let found = connector
            .connect(url, &options)
            .map_err(|error| error.within(&self.set.url))?;
        // Of the store that the set is in, the user has said how to ask it.
        match !url.contains('?') && base(&found) == base(&self.set) && !found.local {
            true => Ok(Location {
                path: found.path,
                url: found.url,
                as_of: None,
                ..self.set.clone()
            }),
            false => Ok(found),
        }
    }

    /// A file whose path starts where the set is.
    fn beside(&self, relative: &str) -> CubeResult<Location> {
        let wrong = |cause: &str| {
            let cause = format!("the path {relative:?} in the reference set {cause}");
            CubeError::invalid(&self.set.url, cause)
        };
        let mut parts: Vec<PathPart<'_>> = self.set.path.parts().collect();
        let mut shown: Vec<&str> = self.set.url.trim_end_matches('/').split('/').collect();
        // The set's own name.
        parts.pop();
        shown.pop();
        for segment in relative.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(|| wrong("leads out of its store"))?;
                    shown.pop();
                }
                name => {
                    let part = PathPart::parse(name);
                    parts.push(part.map_err(|_| wrong("is no path"))?);
                    shown.push(name);
                }
            }
        }
        Ok(Location {
            path: parts.into_iter().collect::<Path>(),
            url: shown.join("/"),
            as_of: None,
            ..self.set.clone()
        })
    }

    fn check_local(&self, url: &str) -> CubeResult<()> {
        match self.set.local {
            true => Ok(()),
            false => Err(self.refused(
                url,
                "a file of this machine",
                "copy the set to this machine if you trust it",
            )),
        }
    }

    fn check_memory(&self, url: &str) -> CubeResult<()> {
        match self.set.local || self.set.url.starts_with("memory://") {
            true => Ok(()),
            false => Err(self.refused(
                url,
                "the memory of this process",
                "copy the set to this machine if you trust it",
            )),
        }
    }

    /// A set from elsewhere leads to servers that everybody can reach, and not from encryption to none, as
    /// redirects do not. Names of hosts are taken as they are.
    fn check_host(&self, url: &str) -> CubeResult<()> {
        if self.set.local || root(url) == root(&self.set.url) {
            return Ok(());
        }
        // What is no URL is an error of the connector.
        let Ok(parsed) = Url::parse(url) else {
            return Ok(());
        };
        if parsed.host().is_some_and(|host| is_inside(&host)) {
            return Err(self.refused(
                url,
                "a server that only this machine's network reaches",
                "copy the set to this machine if you trust it",
            ));
        }
        let allows_http = self.options.get("allow_http").map(|value| value.trim());
        match parsed.scheme() == "http" && allows_http != Some("true") {
            true => Err(self.refused(
                url,
                "a server without encryption",
                "set remote_allow_http = true if that is meant",
            )),
            false => Ok(()),
        }
    }

    fn refused(&self, url: &str, what: &str, remedy: &str) -> CubeError {
        let cause = format!(
            "the reference set is not on this machine and leads to {what}, {}",
            shown(url)
        );
        CubeError::new(ErrorKind::Denied, &self.set.url, cause).remedy(remedy)
    }
}

/// What stands in front of the path of a place. A server may have several buckets, which are stores of their own.
fn base(of: &Location) -> Option<&str> {
    let url = of.url.trim_end_matches('/');
    let path: &str = of.path.as_ref();
    match url.strip_suffix(path) {
        Some(base) => Some(base.trim_end_matches('/')),
        // Percent-encoded, as only the URLs of web servers are, whose paths start behind the host.
        None => root(url),
    }
}

/// The scheme, host and port of a URL, or the scheme and the bucket.
fn root(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split('/').next()?;
    url.get(..scheme.len() + 3 + host.len())
}

/// A URL without what may be secret.
fn shown(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.rsplit_once('@') {
        Some((_, rest)) if root(url).is_some_and(|root| root.contains('@')) => rest,
        _ => url,
    }
}

/// Is it a host of this machine or of the network around it?
fn is_inside(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost") || !name.contains('.')
        }
        Host::Ipv4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || first == 0
                // Shared by the customers of a provider (RFC 6598).
                || (first == 100 && (64..128).contains(&second))
        }
        Host::Ipv6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                // Addresses of IPv4 in others: NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
                || matches!(address.segments(), [0x64, 0xff9b, ..] | [0x2002, ..])
                || address
                    .to_ipv4()
                    .is_some_and(|address| is_inside(&Host::Ipv4(address)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use object_store::memory::InMemory;

    use super::*;

    fn set(url: &str, path: &str, local: bool) -> Location {
        Location {
            store: Arc::new(InMemory::new()),
            path: path.into(),
            url: url.to_string(),
            listable: true,
            missing_is_403: false,
            local,
            as_of: None,
        }
    }

    #[test]
    fn places() {
        let here = set("/nonexistent/refs/x.json", "nonexistent/refs/x.json", true);
        let web = set("https://host/refs/x.json", "refs/x.json", false);
        let bucket = set("s3://bucket/refs/x.json", "refs/x.json", false);
        let memory = set("memory://lake/x.json", "x.json", false);
        for (set, url, expected) in [
            (
                &here,
                "a b.nc",
                Ok(("/nonexistent/refs/a b.nc", "nonexistent/refs/a b.nc")),
            ),
            (
                &here,
                "./s/../a.nc",
                Ok(("/nonexistent/refs/a.nc", "nonexistent/refs/a.nc")),
            ),
            (&web, "../a.nc", Ok(("https://host/a.nc", "a.nc"))),
            (&web, "../../a.nc", Err("leads out of its store")),
            (
                &web,
                "https://host/b%20c.nc",
                Ok(("https://host/b%20c.nc", "b c.nc")),
            ),
            (
                &web,
                "https://other/a.nc",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://other.org/a.nc",
                Ok(("https://other.org/a.nc", "a.nc")),
            ),
            (&web, "http://other.org/a.nc", Err("without encryption")),
            (
                &web,
                "https://127.0.0.1/a.nc",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://2130706433/a.nc",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://[::1]:80/a.nc",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://[::ffff:10.0.0.1]/a",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://[64:ff9b::a00:1]/a.nc",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://[2002:7f00:1::]/a.nc",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://169.254.169.254/latest",
                Err("only this machine's network"),
            ),
            (
                &web,
                "https://LOCALHOST./a.nc",
                Err("only this machine's network"),
            ),
            (&web, "/etc/passwd", Err("a file of this machine")),
            (&web, "file:///etc/passwd", Err("a file of this machine")),
            (&web, "FILE:///etc/passwd", Err("a file of this machine")),
            (&web, "file:/etc/passwd", Err("a file of this machine")),
            (
                &web,
                "memory://lake/a.nc",
                Err("the memory of this process"),
            ),
            (&web, "s3://bucket/a.nc", Ok(("s3://bucket/a.nc", "a.nc"))),
            (
                &bucket,
                "s3://bucket/a.nc",
                Ok(("s3://bucket/a.nc", "a.nc")),
            ),
            (
                &bucket,
                "gs://bucket/a.nc",
                Ok(("gs://bucket/a.nc", "a.nc")),
            ),
            (
                &bucket,
                "odd::s3://bucket/a.nc",
                Err("a file of this machine"),
            ),
            (
                &bucket,
                "ftp://host/a.nc",
                Err("no store has the URL scheme"),
            ),
            (
                &memory,
                "memory://lake/a.nc",
                Ok(("memory://lake/a.nc", "a.nc")),
            ),
            (&memory, "/etc/passwd", Err("a file of this machine")),
            (
                &here,
                "http://127.0.0.1:1/a.nc",
                Ok(("http://127.0.0.1:1/a.nc", "a.nc")),
            ),
            (&here, "/", Ok(("/", ""))),
            (&here, "/nonexistent/a.nc", Err("no such file")),
        ] {
            let targets = Targets::new(set, &Options::new());
            match (targets.find(&url.into()), expected) {
                (Ok(found), Ok((url, path))) => {
                    assert_eq!((found.url.as_str(), found.path.as_ref()), (url, path));
                    if !set.local {
                        let is_of_set = Arc::ptr_eq(&found.store, &set.store);
                        assert_eq!(is_of_set, root(url) == root(&set.url), "{url}");
                    }
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{url}: {error}");
                }
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

    /// Buckets of one server are not taken for one another.
    #[test]
    fn buckets_of_one_server() {
        let minio = set("http://minio:9000/refs/x.json", "x.json", false);
        let azure = set(
            "https://acct.blob.core.windows.net/c/x.json",
            "x.json",
            false,
        );
        let of_minio = [
            ("remote_endpoint", "http://minio:9000"),
            ("remote_allow_http", "true"),
        ];
        let of_azure = [("remote_account", "acct")];
        for (set, options, url, path, is_of_set) in [
            (&minio, &of_minio[..], "s3://refs/a.nc", "a.nc", true),
            (&minio, &of_minio[..], "s3://data/a.nc", "a.nc", false),
            (
                &minio,
                &of_minio[..],
                "http://minio:9000/refs/a.nc",
                "refs/a.nc",
                false,
            ),
            (&azure, &of_azure[..], "az://c/a.nc", "a.nc", true),
            (&azure, &of_azure[..], "az://d/a.nc", "a.nc", false),
            (
                &azure,
                &of_azure[..],
                "https://acct.blob.core.windows.net/c/a.nc",
                "c/a.nc",
                false,
            ),
        ] {
            let options = options.iter();
            let options: Options = options
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            let targets = Targets::new(set, &options);
            let found = targets.find(&url.into()).unwrap();
            assert_eq!(found.path.as_ref(), path, "{url}");
            assert_eq!(Arc::ptr_eq(&found.store, &set.store), is_of_set, "{url}");
        }
    }

    #[test]
    fn messages_hold_no_secrets() {
        let web = set("https://host/refs/x.json", "refs/x.json", false);
        for url in [
            "http://other.org/a.nc?sig=s3cr3t",
            "https://ada:s3cr3t@localhost/a.nc",
            "https://ada:s3cr3t@other.org/a.nc",
        ] {
            let error = Targets::new(&web, &Options::new()).find(&url.into());
            let error = error.unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
