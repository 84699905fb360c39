//! A proxy before a real server that spoils some of the requests: [`FaultyProxy`].
//!
//! ```text
//!  client ──▶ proxy ── rule: request ─▶ fault ──▶ server
//! ```
//! Every answer closes its connection. Signatures stay valid: what the client has signed goes to the
//! server as it is. The proxy ends when it is dropped.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// Nothing: the server is asked, and the client gets its answer.
    None,
    /// The connection breaks when half of the request has reached the server.
    CutOff,
    /// A status, without asking the server.
    Status(u16),
    /// The server does it, and the connection breaks before its answer.
    LostAnswer,
    /// The server does it, and a status takes the place of its answer.
    HiddenAnswer(u16),
    /// The server is asked after a while.
    Late(Duration),
    /// The server is asked when the gate is opened.
    Held(Arc<Semaphore>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Proxied {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    head: String,
}

impl Proxied {
    fn of(head: String) -> Self {
        let mut words = head.split(' ').map(str::to_string);
        Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            head,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The request with which the server closes the connection after its answer.
    fn for_server(&self) -> String {
        let lines = self.head.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !line.is_empty() && !name.eq_ignore_ascii_case("connection")
        });
        let lines: Vec<&str> = lines.collect();
        format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))
    }
}

/// Decides what becomes of a request.
pub(super) type Rule = Box<dyn FnMut(&Proxied) -> Fault + Send>;

/// A running proxy.
pub(super) struct FaultyProxy {
    /// `http://127.0.0.1:PORT`
    pub(super) endpoint: String,
    rule: Arc<Mutex<Rule>>,
    _task: JoinSet<()>,
}

impl FaultyProxy {
    /// A proxy of the server at `endpoint`, which spoils nothing yet.
    pub(super) async fn start(endpoint: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let rule: Rule = Box::new(|_| Fault::None);
        let rule = Arc::new(Mutex::new(rule));
        let mut task = JoinSet::new();
        let own = format!("http://{}", listener.local_addr()?);
        let server = endpoint.trim_start_matches("http://").to_string();
        task.spawn(accept(listener, server, Arc::clone(&rule)));
        Ok(Self {
            endpoint: own,
            rule,
            _task: task,
        })
    }

    /// Spoils requests by another rule from now on.
    pub(super) fn spoil(&self, rule: impl FnMut(&Proxied) -> Fault + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }
}

async fn accept(listener: TcpListener, server: String, rule: Arc<Mutex<Rule>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, rule) = (server.clone(), Arc::clone(&rule));
        connections.spawn(async move {
            // A client that goes away is no failure of the proxy.
            let _ = serve(client, &server, &rule).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(mut client: TcpStream, server: &str, rule: &Mutex<Rule>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut buffer).await? {
            0 => return Ok(()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let mut body = bytes.split_off(end);
    let request = Proxied::of(String::from_utf8_lossy(&bytes).into_owned());
    let length = request.header("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    while body.len() < length {
        match client.read(&mut buffer).await? {
            0 => return Ok(()),
            count => body.extend_from_slice(&buffer[..count]),
        }
    }
    let fault = (rule.lock().unwrap())(&request);
    match &fault {
        Fault::Status(status) => return refuse(client, *status).await,
        Fault::Late(silence) => tokio::time::sleep(*silence).await,
        Fault::Held(gate) => drop(gate.acquire().await),
        _ => {}
    }
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(request.for_server().as_bytes()).await?;
    if matches!(fault, Fault::CutOff) {
        return upstream.write_all(&body[..body.len() / 2]).await;
    }
    upstream.write_all(&body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    match fault {
        Fault::LostAnswer => Ok(()),
        Fault::HiddenAnswer(status) => refuse(client, status).await,
        _ => {
            client.write_all(&answer).await?;
            client.shutdown().await
        }
    }
}

async fn refuse(mut client: TcpStream, status: u16) -> std::io::Result<()> {
    let answer =
        format!("HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsorry");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}
