//! Statements that write cubes to a real S3 server through a proxy that spoils requests: they end right,
//! or with an error that says why, and nobody sees anything half-written.
//!
//! ```text
//!  one fault     the first request of every kind, every fault     the statement ends right
//!  many faults   a part of all requests, at random                right, or an error and the state before
//!  no end        one kind of request fails always                 an error; later the statement goes on
//!  late claims   a writer that is overtaken before its claim      it gives up, and spoils nothing
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tokio::sync::Semaphore;

use super::faulty_proxy::{Fault, FaultyProxy, Proxied};
use super::s3_server::{ACCESS_KEY_ID, S3Server, SECRET_ACCESS_KEY};
use super::{connect, run};
use crate::client::{Client, Variables, engine};
use crate::values;
use crate::writing::{Format, Random, meet_at, number};
use datafusion::object_store::ObjectStoreExt;

type Rows = Vec<Vec<String>>;

/// The statement that stores `ATTACH` as `s`.
fn attach(endpoint: &str, bucket: &str, more: &str) -> String {
    format!(
        "ATTACH 's3://{bucket}/lake' AS s (TYPE s3, endpoint '{endpoint}', allow_http true, \
         access_key_id '{ACCESS_KEY_ID}', secret_access_key '{SECRET_ACCESS_KEY}'{more})"
    )
}

/// Somebody who remembers nothing.
async fn client(attach: &str) -> Result<Client, Failed> {
    let client = Client::new(&engine()?, Variables::of("")?);
    client.run(attach).await?;
    Ok(client)
}

async fn ask(attach: &str, statement: &str) -> Result<Result<Rows, String>, Failed> {
    let client = client(attach).await?;
    Ok(match client.run(statement).await {
        Ok((_, batches)) => Ok(values::rows(&batches)?),
        Err(error) => Err(error.to_string()),
    })
}

async fn must(attach: &str, statement: &str) -> Result<Rows, Failed> {
    let outcome = ask(attach, statement).await?;
    outcome.map_err(|complaint| format!("{statement}: {complaint}").into())
}

/// A server that can store, a proxy before it, and how both are attached.
struct Shop {
    _server: S3Server,
    proxy: FaultyProxy,
    direct: String,
    spoiled: String,
}

impl Shop {
    /// `more` are options of the store behind the proxy.
    async fn new(more: &str) -> Result<Self, Failed> {
        let server = S3Server::start().await?;
        let options = [
            ("endpoint", server.endpoint.as_str()),
            ("allow_http", "true"),
            ("access_key_id", ACCESS_KEY_ID),
            ("secret_access_key", SECRET_ACCESS_KEY),
        ];
        let other = connect("s3://closed/other", &options)?;
        // The server listens before it can store, and makes a bucket when the first object comes.
        let begin = Instant::now();
        while let Err(error) = other.store.put(&other.path, "here".into()).await {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(error.into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let proxy = FaultyProxy::start(&server.endpoint).await?;
        let direct = attach(&server.endpoint, "closed", "");
        let spoiled = attach(&proxy.endpoint, "closed", more);
        must(&direct, SOURCE).await?;
        Ok(Self {
            _server: server,
            proxy,
            direct,
            spoiled,
        })
    }

    /// What a reader sees whose requests are not spoiled.
    async fn seen(&self) -> Result<Option<Rows>, Failed> {
        match ask(&self.direct, "SELECT y, x, v FROM s.t ORDER BY y, x").await? {
            Ok(rows) => Ok(Some(rows)),
            Err(complaint) if NOT_THERE.iter().any(|cause| complaint.contains(cause)) => Ok(None),
            Err(complaint) => Err(complaint.into()),
        }
    }

    /// Makes what is there before a statement, apart from what those before it left.
    async fn reset(&self, statement: &Statement) -> Result<(), Failed> {
        if self.seen().await?.is_some() {
            must(&self.direct, "DROP TABLE s.t").await?;
        }
        if statement.has_before {
            must(&self.direct, BEFORE).await?;
        }
        Ok(())
    }
}

const NOT_THERE: [&str; 2] = [
    "there is no table s.t",
    "the cube is being written, or its writer died",
];

const SOURCE: &str = "CREATE OR REPLACE TABLE s.source WITH (dims = 'y,x', chunks = 'y=2,x=2') AS \
    SELECT y.value AS y, x.value AS x, y.value * 10 + x.value AS v \
    FROM generate_series(0, 5) AS y CROSS JOIN generate_series(0, 3) AS x";

const BEFORE: &str = "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=2,x=2', memory = '1kB') AS \
    SELECT y, x, -v AS v FROM s.source WHERE y < 4";

struct Statement {
    name: &'static str,
    text: &'static str,
    has_before: bool,
    after: fn(i64, i64) -> Option<i64>,
}

const STATEMENTS: [Statement; 4] = [
    Statement {
        name: "create",
        text: "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=2,x=2', memory = '1kB') AS \
            SELECT y, x, v + 100 AS v FROM s.source",
        has_before: false,
        after: |y, x| (y < 6).then_some(y * 10 + x + 100),
    },
    Statement {
        name: "create_or_replace",
        text: "CREATE OR REPLACE TABLE s.t WITH (dims = 'y,x', chunks = 'y=2,x=2', memory = '1kB') AS \
            SELECT y, x, v + 100 AS v FROM s.source",
        has_before: true,
        after: |y, x| (y < 6).then_some(y * 10 + x + 100),
    },
    Statement {
        name: "insert",
        text: "INSERT INTO s.t SELECT y + 4 AS y, x, v + 100 AS v FROM s.source WHERE y < 3",
        has_before: true,
        after: |y, x| match y {
            ..4 => Some(-(y * 10 + x)),
            4..7 => Some((y - 4) * 10 + x + 100),
            _ => None,
        },
    },
    Statement {
        name: "delete",
        text: "DELETE FROM s.t WHERE y = 2",
        has_before: true,
        after: |y, x| matches!(y, 0 | 1 | 3).then_some(-(y * 10 + x)),
    },
];

fn all(value: impl Fn(i64, i64) -> Option<i64>) -> Rows {
    let cells = (0..12).flat_map(|y| (0..4).map(move |x| (y, x)));
    let row = |(y, x): (i64, i64)| Some(vec![y, x, value(y, x)?]);
    let texts = |row: Vec<i64>| row.iter().map(i64::to_string).collect();
    cells.filter_map(row).map(texts).collect()
}

fn before(statement: &Statement) -> Option<Rows> {
    let value = |y: i64, x: i64| (y < 4).then_some(-(y * 10 + x));
    statement.has_before.then(|| all(value))
}

fn after(statement: &Statement) -> Option<Rows> {
    Some(all(statement.after))
}

/// A kind of request.
struct Kind {
    name: &'static str,
    is: fn(&Proxied) -> bool,
}

fn path(request: &Proxied) -> &str {
    request.target.split('?').next().unwrap_or_default()
}

fn puts(request: &Proxied, part: &str) -> bool {
    request.method == "PUT" && path(request).contains(part)
}

fn is_copy(request: &Proxied) -> bool {
    request.header("x-amz-copy-source").is_some()
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "claim",
        is: |request| puts(request, "/t.zarr/.graticule/claim."),
    },
    Kind {
        name: "claim_that_is_read",
        is: |request| request.method == "GET" && path(request).contains("/.graticule/claim."),
    },
    Kind {
        name: "beginning",
        is: |request| puts(request, "/t.zarr/.graticule/build.json"),
    },
    Kind {
        name: "note",
        is: |request| puts(request, "/t.zarr/.graticule/done/"),
    },
    Kind {
        name: "chunk",
        is: |request| puts(request, "/t.zarr/v/c") && !is_copy(request),
    },
    Kind {
        name: "copied_chunk",
        is: is_copy,
    },
    Kind {
        name: "array",
        is: |request| puts(request, "/t.zarr/v/zarr.json"),
    },
    Kind {
        name: "commit",
        is: |request| puts(request, "/lake/t.zarr/zarr.json"),
    },
    Kind {
        name: "listing",
        is: |request| request.method == "GET" && request.target.contains("list-type"),
    },
];

fn faults() -> Vec<Fault> {
    vec![
        Fault::CutOff,
        Fault::Status(503),
        Fault::LostAnswer,
        Fault::HiddenAnswer(503),
        Fault::Late(Duration::from_millis(300)),
    ]
}

/// Of every kind of request the first one meets a fault, and nothing comes of it.
async fn one_fault() -> Result<(), Failed> {
    let shop = Shop::new("").await?;
    for statement in &STATEMENTS {
        for fault in faults() {
            let place = format!("{}, {fault:?}", statement.name);
            let spoiled = one_fault_in(&shop, statement, fault).await;
            spoiled
                .map_err(|failed| format!("{place}: {}", failed.message().unwrap_or_default()))?;
            assert_eq!(shop.seen().await?, after(statement), "{place}");
        }
    }
    Ok(())
}

async fn one_fault_in(
    shop: &Shop,
    statement: &'static Statement,
    fault: Fault,
) -> Result<(), Failed> {
    shop.reset(statement).await?;
    let spoiled = Arc::new(Mutex::new(BTreeSet::new()));
    let met = Arc::clone(&spoiled);
    shop.proxy.spoil(move |request| {
        let kind = KINDS.iter().find(|kind| (kind.is)(request));
        match kind.is_some_and(|kind| met.lock().unwrap().insert(kind.name)) {
            true => fault.clone(),
            false => Fault::None,
        }
    });
    ask(&shop.spoiled, statement.text).await??;
    let spoiled = spoiled.lock().unwrap().clone();
    let expected = KINDS.iter().filter(|kind| {
        kind.name != "copied_chunk" || ["insert", "delete"].contains(&statement.name)
    });
    let expected: BTreeSet<&str> = expected.map(|kind| kind.name).collect();
    match spoiled == expected {
        true => Ok(()),
        false => Err(format!("only {spoiled:?} were spoiled").into()),
    }
}

/// Many requests of all kinds meet faults.
async fn many_faults() -> Result<(), Failed> {
    let shop = Shop::new(", max_retries 2").await?;
    let mut refused = 0;
    for statement in &STATEMENTS {
        refused += many_faults_in(&shop, statement).await?;
    }
    eprintln!("{refused} statements were refused");
    Ok(())
}

/// How many statements were refused.
async fn many_faults_in(shop: &Shop, statement: &'static Statement) -> Result<u64, Failed> {
    let mut random = Random(number("GRATICULE_SEED", 1));
    let mut refused = 0;
    for round in 0..number("GRATICULE_CASES", 2) {
        shop.reset(statement).await?;
        let mut luck = Random(random.next());
        shop.proxy.spoil(move |_| match luck.below(100) {
            chosen @ 0..20 => faults()[chosen as usize % 5].clone(),
            _ => Fault::None,
        });
        let outcome = ask(&shop.spoiled, statement.text).await?;
        let seen = shop.seen().await?;
        match outcome {
            Ok(_) => assert_eq!(seen, after(statement), "round {round}"),
            Err(complaint) => {
                refused += 1;
                if !complaint.contains("503") && !complaint.contains("/closed/lake") {
                    return Err(
                        format!("round {round}: it is not said what failed: {complaint}").into(),
                    );
                }
                if seen != before(statement) && seen != after(statement) {
                    return Err(format!("round {round}: {complaint}; readers see {seen:?}").into());
                }
                if seen != after(statement) {
                    must(&shop.direct, statement.text).await?;
                    assert_eq!(shop.seen().await?, after(statement), "round {round}");
                }
            }
        }
    }
    Ok(refused)
}

/// What fails without end is told, the state before is seen, and later the statement goes on.
async fn no_end() -> Result<(), Failed> {
    let shop = Shop::new(", max_retries 1").await?;
    // An insertion makes too few boxes.
    for statement in &STATEMENTS[..2] {
        no_end_in(&shop, statement).await?;
    }
    Ok(())
}

async fn no_end_in(shop: &Shop, statement: &'static Statement) -> Result<(), Failed> {
    let is_spoiled = |kind: &&Kind| ["note", "chunk", "commit"].contains(&kind.name);
    for kind in KINDS.iter().filter(is_spoiled) {
        shop.reset(statement).await?;
        let mut met = 0;
        shop.proxy.spoil(move |request| {
            met += u64::from((kind.is)(request));
            // The first ones reach the server, so that there is something to go on with.
            match (kind.is)(request) && (met > 2 || kind.name == "commit") {
                true => Fault::Status(503),
                false => Fault::None,
            }
        });
        let complaint = match ask(&shop.spoiled, statement.text).await? {
            Ok(rows) => return Err(format!("{} did not fail: {rows:?}", kind.name).into()),
            Err(complaint) => complaint,
        };
        let says = ["503", "/closed/lake/t.zarr"];
        if says.iter().any(|part| !complaint.contains(part)) {
            return Err(format!("{}: it is not said what failed: {complaint}", kind.name).into());
        }
        assert_eq!(shop.seen().await?, before(statement), "{}", kind.name);
        shop.proxy.spoil(|_| Fault::None);
        let rows = must(&shop.spoiled, statement.text).await?;
        let kept: u64 = rows[0][7].parse()?;
        assert!(kept > 0, "{}: {rows:?}", kind.name);
        assert_eq!(shop.seen().await?, after(statement), "{}", kind.name);
    }
    Ok(())
}

/// Somebody who cannot be read may be alive: the cube is not taken from them.
async fn unreadable_claims() -> Result<(), Failed> {
    let statement = &STATEMENTS[0];
    let shop = Shop::new(", max_retries 1").await?;
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let is_chunk = KINDS[4].is;
    shop.proxy.spoil(move |request| match is_chunk(request) {
        true => Fault::Held(Arc::clone(&held)),
        false => Fault::None,
    });
    let (attach, text) = (shop.spoiled.clone(), statement.text);
    let mut first = tokio::task::JoinSet::new();
    first.spawn(async move {
        ask(&attach, text)
            .await
            .map_err(|failed| format!("{failed:?}"))
    });
    let notes = "s3://closed/lake/t.zarr/.graticule";
    wait_for(&shop, notes, "build.json").await?;
    // A second proxy, so that only the second writer is spoiled.
    let proxy = FaultyProxy::start(&shop._server.endpoint).await?;
    let is_claim = KINDS[1].is;
    proxy.spoil(move |request| match is_claim(request) {
        true => Fault::Status(503),
        false => Fault::None,
    });
    let second = ask(&attach_to(&proxy), &text.replace("+ 100", "+ 900")).await?;
    let complaint = second
        .err()
        .ok_or("the cube was taken from a writer that lives")?;
    assert!(complaint.contains("503"), "{complaint}");
    gate.add_permits(1000);
    let outcome = first.join_next().await.ok_or("no first writer")???;
    outcome?;
    assert_eq!(shop.seen().await?, after(statement));
    Ok(())
}

fn attach_to(proxy: &FaultyProxy) -> String {
    attach(&proxy.endpoint, "closed", ", max_retries 1")
}

/// Waits for an object.
async fn wait_for(shop: &Shop, folder: &str, name: &str) -> Result<(), Failed> {
    let options = [
        ("endpoint", shop._server.endpoint.as_str()),
        ("allow_http", "true"),
        ("access_key_id", ACCESS_KEY_ID),
        ("secret_access_key", SECRET_ACCESS_KEY),
    ];
    let place = connect(folder, &options)?.child(name);
    let begin = Instant::now();
    while place.store.head(&place.path).await.is_err() {
        if begin.elapsed() > Duration::from_secs(60) {
            return Err(format!("{} does not come", place.url).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// A writer that has looked at the cube and claims it when another one has committed must not touch the
/// objects of the new state, which have the names that its own would have.
async fn late_claims() -> Result<(), Failed> {
    let shop = Shop::new("").await?;
    for statement in &STATEMENTS {
        late_claim_in(&shop, statement).await?;
        shop.proxy.spoil(|_| Fault::None);
    }
    Ok(())
}

async fn late_claim_in(shop: &Shop, statement: &'static Statement) -> Result<(), Failed> {
    shop.reset(statement).await?;
    let (gate, arrived) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (held, arrives) = (Arc::clone(&gate), Arc::clone(&arrived));
    let is_claim = KINDS[0].is;
    shop.proxy.spoil(move |request| match is_claim(request) {
        true => {
            arrives.add_permits(1);
            Fault::Held(Arc::clone(&held))
        }
        false => Fault::None,
    });
    let (attach, text) = (
        shop.spoiled.clone(),
        statement.text.replace("+ 100", "+ 900"),
    );
    let mut late = tokio::task::JoinSet::new();
    late.spawn(async move {
        let outcome = ask(&attach, &text).await;
        outcome.map_err(|failed| format!("{failed:?}"))
    });
    tokio::time::timeout(Duration::from_secs(60), arrived.acquire())
        .await??
        .forget();
    must(&shop.direct, statement.text).await?;
    gate.add_permits(1000);
    let outcome = late.join_next().await.ok_or("no late writer")???;
    assert_eq!(shop.seen().await?, after(statement));
    let complaint = outcome
        .err()
        .ok_or("a writer that was overtaken succeeded")?;
    assert!(
        complaint.contains("someone else has written the cube since this statement began"),
        "{complaint}"
    );
    must(&shop.direct, "VACUUM s").await?;
    assert_eq!(shop.seen().await?, after(statement));
    Ok(())
}

/// Two processes and one cube.
async fn rivals(format: Format) -> Result<(), Failed> {
    let shop = Shop::new("").await?;
    let attach = shop.direct.clone();
    let meet = move || meet_at(&attach, format, 2).map_err(|failed| format!("{failed:?}"));
    Ok(tokio::task::spawn_blocking(meet).await??)
}

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, check: fn() -> Result<(), Failed>| {
        Trial::test(format!("stores::s3_write_faults::{name}"), check)
    };
    vec![
        trial("one_fault", || run(one_fault())),
        trial("many_faults", || run(many_faults())),
        trial("no_end", || run(no_end())),
        trial("unreadable_claims", || run(unreadable_claims())),
        trial("late_claims", || run(late_claims())),
        trial("rivals", || run(rivals(Format::Zarr))),
        trial("icechunk_rivals", || run(rivals(Format::Icechunk))),
    ]
}
