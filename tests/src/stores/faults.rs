//! What becomes of the faults of a server: a table of scripts, outcomes and numbers of requests.

use std::ops::Range;
use std::time::Duration;

use graticule_engine::error::ErrorKind;
use libtest_mimic::{Failed, Trial};

use super::faulty_server::{Answer, FaultyServer, Request};
use super::{connect, read, run};

/// An entity tag with which a broken body can be resumed, and one with which it cannot.
const STRONG: &str = "\"v1\"";
const WEAK: &str = "W/\"v1\"";

struct Fault {
    name: &'static str,
    answers: Vec<Answer>,
    tags: &'static [&'static str],
    range: Option<Range<u64>>,
    options: &'static [(&'static str, &'static str)],
    expected: Result<(), (ErrorKind, &'static str)>,
    requests: usize,
    also: fn(&[Request]),
}

impl Fault {
    /// The whole object is read without an entity tag; more is said by the methods below.
    fn new(name: &'static str, answers: Vec<Answer>) -> Self {
        Self {
            name,
            answers,
            tags: &[""],
            range: None,
            options: &[],
            expected: Ok(()),
            requests: 1,
            also: |_| {},
        }
    }

    fn tags(self, tags: &'static [&'static str]) -> Self {
        Self { tags, ..self }
    }

    fn range(self, range: Range<u64>) -> Self {
        let range = Some(range);
        Self { range, ..self }
    }

    fn options(self, options: &'static [(&'static str, &'static str)]) -> Self {
        Self { options, ..self }
    }

    fn fails(self, kind: ErrorKind, part: &'static str) -> Self {
        let expected = Err((kind, part));
        Self { expected, ..self }
    }

    /// How many requests the server got.
    fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }

    /// What else holds for the requests.
    fn also(self, also: fn(&[Request])) -> Self {
        Self { also, ..self }
    }
}

fn status(status: u16) -> Answer {
    Answer::Status(status, String::new())
}

fn retry_after(status: u16, value: &str) -> Answer {
    Answer::Status(status, format!("Retry-After: {value}"))
}

fn late(milliseconds: u64) -> Answer {
    Answer::Late(Duration::from_millis(milliseconds))
}

fn faults() -> Vec<Fault> {
    use Answer::{Break, Chunked, Nothing, Object, WithoutRanges};
    use ErrorKind::{Corrupt, Denied, Invalid, NotFound, Unavailable};

    let few: &[(&str, &str)] = &[("max_retries", "2")];
    let hasty: &[(&str, &str)] = &[("max_retries", "1"), ("read_timeout", "500ms")];
    vec![
        Fault::new("none", vec![Object]),
        Fault::new("none_with_a_range", vec![Object]).range(100..2000),
        Fault::new("chunks_without_a_length", vec![Chunked]),
        // A connection that breaks.
        Fault::new("no_answer_then_success", vec![Nothing, Object]).requests(2),
        Fault::new("never_an_answer", vec![Nothing])
            .options(few)
            .fails(Unavailable, "the store failed 3 times")
            .requests(3),
        Fault::new("break_without_a_tag_starts_anew", vec![Break(4000), Object])
            .requests(2)
            .also(|requests| assert_eq!(requests[1].header("range"), None)),
        Fault::new(
            "break_with_a_weak_tag_starts_anew",
            vec![Break(4000), Object],
        )
        .tags(&[WEAK])
        .requests(2)
        .also(|requests| assert_eq!(requests[1].header("range"), None)),
        Fault::new("break_with_a_strong_tag_goes_on", vec![Break(4000), Object])
            .tags(&[STRONG])
            .requests(2)
            .also(|requests| assert_eq!(requests[1].header("range"), Some("bytes=4000-9999"))),
        Fault::new("break_in_a_range_goes_on", vec![Break(500), Object])
            .tags(&[STRONG])
            .range(1000..3000)
            .requests(2)
            .also(|requests| assert_eq!(requests[1].header("range"), Some("bytes=1500-2999"))),
        Fault::new("break_and_the_object_changed", vec![Break(4000), Object])
            .tags(&[STRONG, "\"v2\""])
            .fails(Unavailable, "")
            .requests(2),
        Fault::new(
            "break_and_the_rest_ignores_ranges",
            vec![Break(4000), WithoutRanges],
        )
        .tags(&[STRONG])
        .fails(Unavailable, "ignores byte ranges")
        .requests(2),
        Fault::new("always_truncated", vec![Break(9999)])
            .options(few)
            .fails(Unavailable, "the store failed 3 times")
            .requests(3),
        Fault::new("always_truncated_with_a_strong_tag", vec![Break(100)])
            .tags(&[STRONG])
            .options(few)
            .fails(Unavailable, "the store failed")
            .requests(3),
        // Statuses that are repeated.
        Fault::new(
            "503_twice_then_success",
            vec![status(503), status(503), Object],
        )
        .requests(3),
        Fault::new("500_then_success", vec![status(500), Object]).requests(2),
        Fault::new("503_always", vec![status(503)])
            .options(few)
            .fails(
                Unavailable,
                "the store failed 3 times: the server answered 503",
            )
            .requests(3),
        Fault::new("503_without_retries", vec![status(503), Object])
            .options(&[("max_retries", "0")])
            .fails(Unavailable, "the store failed: the server answered 503")
            .requests(1),
        Fault::new("429_then_success", vec![status(429), Object]).requests(2),
        Fault::new(
            "429_with_a_second_to_wait",
            vec![retry_after(429, "1"), Object],
        )
        .requests(2)
        .also(|requests| {
            let pause = requests[1].time - requests[0].time;
            assert!((900..10_000).contains(&pause.as_millis()), "{pause:?}");
        }),
        Fault::new(
            "503_with_an_hour_to_wait",
            vec![retry_after(503, "3600"), Object],
        )
        .fails(Unavailable, "asks for no requests during the next 3")
        .requests(1),
        // Statuses that are not.
        Fault::new("404_is_asked_once", vec![status(404), Object])
            .fails(NotFound, "does not exist")
            .requests(1),
        Fault::new("403_is_asked_once", vec![status(403), Object])
            .fails(Denied, "the server answered 403")
            .requests(1),
        Fault::new("401_is_asked_once", vec![status(401), Object])
            .fails(Denied, "the server answered 401")
            .requests(1),
        Fault::new("400_is_asked_once", vec![status(400), Object])
            .fails(Invalid, "the server answered 400")
            .requests(1),
        // Ranges.
        Fault::new("a_range_beyond_the_end", vec![Object])
            .range(20_000..20_010)
            .fails(Corrupt, "shorter")
            .requests(1),
        Fault::new("a_server_without_ranges", vec![WithoutRanges])
            .range(100..200)
            .fails(Unavailable, "ignores byte ranges")
            .requests(1),
        // Silence.
        Fault::new("slow_within_the_timeout", vec![late(300)]).options(&[("read_timeout", "20s")]),
        Fault::new("slow_beyond_the_timeout", vec![late(2000)])
            .options(hasty)
            .fails(Unavailable, "timed out")
            .requests(2),
        Fault::new("slow_once", vec![late(5000), Object])
            .options(&[("read_timeout", "1s")])
            .requests(2),
        Fault::new("slow_beyond_the_time_for_all", vec![late(2000)])
            .options(&[("max_retries", "0"), ("timeout", "200ms")])
            .fails(Unavailable, "timed out")
            .requests(1),
    ]
}

async fn check(fault: Fault) -> Result<(), Failed> {
    let object: Vec<u8> = (0..10_000_u32).map(|i| (i % 251) as u8).collect();
    let server = FaultyServer::start(&object, fault.tags, &fault.answers).await;
    let location = connect(&format!("{}/cube/0.0.0", server.url), fault.options)?;
    let outcome = read(&location, fault.range.clone()).await;

    let requests = server.requests();
    match (outcome, fault.expected) {
        (Ok(bytes), Ok(())) => {
            let range = fault.range.map_or(0..object.len(), |range| {
                range.start as usize..range.end as usize
            });
            assert!(bytes == object[range], "other bytes than the server has");
        }
        (Err(error), Err((kind, part))) => {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.to_string().contains(&location.url), "{error}");
        }
        (Ok(bytes), Err(_)) => return Err(format!("got {} bytes", bytes.len()).into()),
        (Err(error), Ok(())) => return Err(error.to_string().into()),
    }
    assert_eq!(requests.len(), fault.requests, "{requests:#?}");
    for request in &requests {
        let agent = request.header("user-agent").unwrap_or_default();
        assert!(agent.starts_with("graticule/"), "{agent}");
    }
    (fault.also)(&requests);
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = faults()
        .into_iter()
        .map(|fault| {
            let name = format!("stores::faults::{}", fault.name);
            Trial::test(name, move || run(check(fault)))
        })
        .collect();
    trials.push(Trial::test("stores::faults::nobody_listens", || {
        run(async {
            let server = FaultyServer::start(b"object", &[""], &[Answer::Nothing]).await;
            let location = connect(&server.url, &[("max_retries", "1")])?;
            drop(server);
            let error = read(&location.child("x"), None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(
                error
                    .to_string()
                    .contains("failed 2 times: Connection refused"),
                "{error}"
            );
            Ok(())
        })
    }));
    trials.push(Trial::test(
        "stores::faults::a_host_gets_few_requests_at_once",
        || {
            run(async {
                for (limit, tag) in [("2", STRONG), ("3", "")] {
                    let server = FaultyServer::start(b"object", &[tag], &[late(100)]).await;
                    let location = connect(&server.url, &[("max_connections", limit)])?;
                    let places: Vec<_> = (0..9).map(|i| location.child(&i.to_string())).collect();
                    let reads = places.iter().map(|place| read(place, None));
                    for outcome in futures::future::join_all(reads).await {
                        assert_eq!(outcome?, b"object");
                    }
                    assert_eq!(server.most_silent().to_string(), limit);
                }
                Ok(())
            })
        },
    ));
    trials
}
