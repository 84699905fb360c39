//! Traces of statements, as a collector gets them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{Server, client_script};
use crate::places;

const DOORS: [&str; 3] = ["pg", "http", "flight"];

/// OpenTelemetry's number of what answers somebody else.
const SERVER: u64 = 2;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("serving::traces_of_all_doors", all_doors),
        Trial::test("serving::traces_without_a_collector", without_a_collector),
        Trial::test("serving::traces_need_an_address", || {
            for (written, expected) in [
                ("otlp_endpoint = \"https://a.org\"", "without TLS"),
                ("otlp_endpoint = \"127.0.0.1:4317\"", "without TLS"),
                ("otlp = \"\"", "did you mean `otlp_endpoint`?"),
            ] {
                let text = match Server::start(&format!("[telemetry]\n{written}"), &["pg"], &[]) {
                    Ok(_) => "it started".to_string(),
                    Err(failed) => failed.message().unwrap_or_default().to_string(),
                };
                let is_right = text.contains(expected) && text.contains("graticule.toml:2");
                assert!(is_right, "{written}: {text}");
            }
            Ok(())
        }),
    ]
}

/// A collector that runs.
struct Collector {
    process: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Collector {
    fn start() -> Result<Self, Failed> {
        let script = places::repository().join("tests/clients/collector.py");
        let mut process = Command::new(places::python())
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(stdout);
        let mut port = String::new();
        lines.read_line(&mut port)?;
        Ok(Self {
            process,
            lines,
            port: port.trim().parse()?,
        })
    }

    /// All spans that have come.
    fn spans(mut self) -> Result<Vec<Value>, Failed> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.lines.read_to_string(&mut text)?;
        let spans = text.lines().map(serde_json::from_str);
        Ok(spans.collect::<Result<_, _>>()?)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks all doors of a server, and stops it.
fn ask(configuration: &str) -> Result<(), Failed> {
    let server = Server::start(configuration, &DOORS, &[])?;
    let urls = ["postgresql", "http", "grpc"].map(|scheme| server.url(scheme));
    let samples = places::samples().display().to_string();
    client_script("traces.py", &[urls[0], urls[1], urls[2], &samples])?;
    let (code, said) = server.stop()?;
    assert_eq!(code, Some(0), "{said}");
    Ok(())
}

fn all_doors() -> Result<(), Failed> {
    let collector = Collector::start()?;
    let configuration = format!(
        "[telemetry]\notlp_endpoint = \"http://127.0.0.1:{}\"\n",
        collector.port
    );
    // What has not been sent is sent before the server ends.
    ask(&configuration)?;
    let spans = collector.spans()?;
    let all = Value::from(spans.clone()).to_string();
    assert!(!all.contains("secret") && !all.contains("word@"), "{all}");

    let mut statements = BTreeMap::new();
    for span in spans.iter().filter(|span| span["kind"] == SERVER) {
        let text = span["attributes"]["db.query.text"].as_str();
        let text = text.unwrap_or_default().trim().to_string();
        assert!(statements.insert(text, span).is_none(), "twice: {span}");
    }
    let find = |part: &str| -> &Value {
        let found = statements.iter().find(|(text, _)| text.contains(part));
        found
            .unwrap_or_else(|| panic!("no span of {part} in {all}"))
            .1
    };
    let children = |span: &Value| -> Vec<(&str, bool)> {
        let children = spans.iter().filter(|child| child["parent"] == span["span"]);
        let mut children: Vec<_> = children.collect();
        children.sort_by_key(|child| child["begin"].as_u64());
        for child in &children {
            assert_eq!(child["trace"], span["trace"], "{child}");
            assert!(child["begin"].as_u64() >= span["begin"].as_u64(), "{child}");
            assert!(child["end"].as_u64() <= span["end"].as_u64(), "{child}");
        }
        let named = children.iter().map(|child| {
            let has_failed = child["error"] == true;
            (child["name"].as_str().unwrap_or_default(), has_failed)
        });
        named.collect()
    };
    let completed = [("wait", false), ("plan", false), ("execute", false)];
    for (part, door, digit, rows) in [
        ("by_http", "http", "1", 5),
        ("by_flight", "flight", "2", 1),
        ("by_postgres", "pg", "3", 1),
        ("AS by_grid", "http", "7", 1),
    ] {
        let span = find(part);
        let attributes = &span["attributes"];
        assert_eq!(span["trace"], digit.repeat(32), "{span}");
        assert_eq!(span["parent"], digit.repeat(16), "{span}");
        assert_eq!(span["service"], "graticule", "{span}");
        assert_eq!(span["error"], false, "{span}");
        assert_eq!(attributes["db.system.name"], "graticule", "{span}");
        assert_eq!(attributes["user.name"], "anonymous", "{span}");
        assert_eq!(attributes["graticule.door"], door, "{span}");
        assert_eq!(attributes["db.response.returned_rows"], rows, "{span}");
        assert_eq!(children(span), completed, "{part} in {all}");
    }
    assert_eq!(find("by_http")["name"], "SELECT");
    assert_eq!(find("AS by_grid")["name"], "COPY");
    assert_eq!(find("by_http")["attributes"]["graticule.result.bytes"], 40);
    for part in ["without_a_parent", "AS odd"] {
        let span = find(part);
        assert_eq!(span["parent"], "", "{span}");
        assert_eq!(children(span), completed, "{span}");
    }
    let wrong = find("wrong");
    assert_eq!(wrong["parent"], "5".repeat(16), "{wrong}");
    assert_eq!(wrong["attributes"]["error.type"], "42703", "{wrong}");
    assert_eq!(
        wrong["attributes"]["db.response.status_code"], "42703",
        "{wrong}"
    );
    assert_eq!(wrong["error"], true, "{wrong}");
    assert_eq!(
        children(wrong),
        [("wait", false), ("plan", true)],
        "{wrong}"
    );
    assert_eq!(find("a.zarr")["parent"], "6".repeat(16));
    assert!(!all.contains("unsampled"), "{all}");
    Ok(())
}

/// Who accepts connections and says nothing keeps neither statements nor the end waiting.
fn without_a_collector() -> Result<(), Failed> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let configuration = format!(
        "[telemetry]\notlp_endpoint = \"http://{}\"\n",
        silent.local_addr()?
    );
    ask(&configuration)
}
