//! An HTTP/1.1 server that answers by a script, and keeps what it was asked.
//!
//! One object, whatever the path. Each request takes the next [`Answer`] of the script; the last one
//! is repeated. Every answer closes its connection. The server ends when it is dropped.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// The object, or the range of it that was asked for.
    Object,
    /// As [`Answer::Object`], but the connection closes after so many bytes of the body.
    Break(usize),
    /// As [`Answer::Object`], after a silence.
    Late(Duration),
    /// The whole object in chunks, without a length.
    Chunked,
    /// The whole object with status 200, whatever range was asked for.
    WithoutRanges,
    /// A status, a header line (which may be empty), and a short body.
    Status(u16, String),
    /// Closes the connection without an answer.
    Nothing,
}

/// What a server was asked.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// When it came.
    pub(super) time: Instant,
    /// Method, target and headers as sent.
    pub(super) text: String,
}

impl Request {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The path and query.
    pub(super) fn target(&self) -> &str {
        self.text.split(' ').nth(1).unwrap_or_default()
    }
}

struct Script {
    object: Vec<u8>,
    tags: Vec<String>,
    answers: Vec<Answer>,
    requests: Vec<Request>,
    silent: usize,
    most_silent: usize,
}

/// A running server.
pub(super) struct FaultyServer {
    /// `http://127.0.0.1:PORT`
    pub(super) url: String,
    script: Arc<Mutex<Script>>,
    _task: JoinSet<()>,
}

/// No trial needs more requests; a client that repeats without end is stopped.
const MOST_REQUESTS: usize = 500;

impl FaultyServer {
    /// Serves `object` by the script of `answers`. The entity tag of answer *i* is `tags[i]` (the
    /// last one is repeated; an empty one is not sent).
    pub(super) async fn start(object: &[u8], tags: &[&str], answers: &[Answer]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            object: object.to_vec(),
            tags: tags.iter().map(ToString::to_string).collect(),
            answers: answers.to_vec(),
            requests: Vec::new(),
            silent: 0,
            most_silent: 0,
        }));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, Arc::clone(&script)));
        Self {
            url,
            script,
            _task: task,
        }
    }

    /// All requests until now.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.script.lock().unwrap().requests.clone()
    }

    /// The largest number of requests that waited for a late answer at once.
    pub(super) fn most_silent(&self) -> usize {
        self.script.lock().unwrap().most_silent
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>) {
    let mut connections = JoinSet::new();
    for _ in 0..MOST_REQUESTS {
        let Ok((connection, _)) = listener.accept().await else {
            return;
        };
        let script = Arc::clone(&script);
        connections.spawn(async move {
            // A client that goes away is no failure of the server.
            let _ = serve(connection, &script).await;
        });
    }
    connections.join_all().await;
}

async fn serve(mut connection: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let opened = Instant::now();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = connection.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        text.extend_from_slice(&buffer[..count]);
    }
    let request = Request {
        time: opened,
        text: String::from_utf8_lossy(&text).into_owned(),
    };
    let (answer, tag, object) = {
        let mut script = script.lock().unwrap();
        let turn = script.requests.len();
        script.requests.push(request.clone());
        (
            script.answers[turn.min(script.answers.len() - 1)].clone(),
            script.tags[turn.min(script.tags.len() - 1)].clone(),
            script.object.clone(),
        )
    };
    let mut head =
        String::from("Connection: close\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    if !tag.is_empty() {
        head += &format!("ETag: {tag}\r\n");
    }
    let range = request.header("range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let last = last.parse().unwrap_or(object.len() - 1);
        Some((first.parse::<usize>().ok()?, last.min(object.len() - 1)))
    });
    let (status, part) = match range {
        Some((first, last)) if first <= last => {
            head += &format!("Content-Range: bytes {first}-{last}/{}\r\n", object.len());
            (206, &object[first..=last])
        }
        Some(_) => (416, &object[..0]),
        None => (200, &object[..]),
    };
    let with_length = |length: usize| format!("{head}Content-Length: {length}\r\n");
    match answer {
        Answer::Object => send(connection, status, &with_length(part.len()), part).await,
        Answer::Break(after) => {
            let sent = &part[..after.min(part.len())];
            send(connection, status, &with_length(part.len()), sent).await
        }
        Answer::Late(silence) => {
            {
                let mut script = script.lock().unwrap();
                script.silent += 1;
                script.most_silent = script.most_silent.max(script.silent);
            }
            tokio::time::sleep(silence).await;
            script.lock().unwrap().silent -= 1;
            send(connection, status, &with_length(part.len()), part).await
        }
        Answer::Chunked => {
            let mut body = Vec::new();
            for piece in object.chunks(1000) {
                body.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                body.extend(piece);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            send(
                connection,
                200,
                &format!("{head}Transfer-Encoding: chunked\r\n"),
                &body,
            )
            .await
        }
        Answer::WithoutRanges => {
            let head = format!("Connection: close\r\nContent-Length: {}\r\n", object.len());
            send(connection, 200, &head, &object).await
        }
        Answer::Status(status, header) => {
            let line = if header.is_empty() {
                header
            } else {
                format!("{header}\r\n")
            };
            let head = format!("Connection: close\r\n{line}Content-Length: 5\r\n");
            send(connection, status, &head, b"sorry").await
        }
        Answer::Nothing => Ok(()),
    }
}

async fn send(
    mut connection: TcpStream,
    status: u16,
    head: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} Status\r\n{head}\r\n");
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(body).await?;
    connection.shutdown().await
}
