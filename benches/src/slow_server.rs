//! A web server that knows a few files and answers each request after a pause, as one far away does.

use std::collections::HashMap;
use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running server; it ends when it is dropped.
pub(crate) struct SlowServer {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    state: Arc<State>,
    _connections: JoinSet<()>,
}

struct State {
    files: HashMap<String, Vec<u8>>,
    pause_milliseconds: AtomicU64,
    requests: AtomicU64,
    waiting: AtomicU64,
    most_waiting: AtomicU64,
}

impl SlowServer {
    /// Serves `files` by their paths, which begin with `/`, without a pause at first.
    pub(crate) async fn start(files: HashMap<String, Vec<u8>>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State {
            files,
            pause_milliseconds: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            most_waiting: AtomicU64::new(0),
        });
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            url,
            state,
            _connections: connections,
        })
    }

    /// From now on every answer comes so much later; counting starts anew.
    pub(crate) fn pause(&self, milliseconds: u64) {
        self.state.pause_milliseconds.store(milliseconds, Relaxed);
        self.state.requests.store(0, Relaxed);
        self.state.most_waiting.store(0, Relaxed);
    }

    /// Requests since [`Self::pause`], and how many of them waited for an answer at once at most.
    pub(crate) fn requests(&self) -> (u64, u64) {
        let state = &self.state;
        (
            state.requests.load(Relaxed),
            state.most_waiting.load(Relaxed),
        )
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A client that goes away is no failure of the server.
        connections.spawn(async move {
            let _ = serve(connection, &state).await;
        });
    }
}

/// Answers GET and HEAD until the client closes the connection.
async fn serve(connection: TcpStream, state: &State) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut connection = BufReader::new(connection);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if connection.read_line(&mut request).await? == 0 {
                return Ok(());
            }
        }
        state.requests.fetch_add(1, Relaxed);
        let waiting = state.waiting.fetch_add(1, Relaxed) + 1;
        state.most_waiting.fetch_max(waiting, Relaxed);
        let pause = state.pause_milliseconds.load(Relaxed);
        if pause > 0 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        state.waiting.fetch_sub(1, Relaxed);

        let mut words = request.split_whitespace();
        let (method, path) = (words.next(), words.next().unwrap_or_default());
        let file = state.files.get(path);
        let status = if file.is_some() {
            "200 OK"
        } else {
            "404 Not Found"
        };
        let body = file.map_or(&[][..], Vec::as_slice);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await?;
        if method != Some("HEAD") {
            connection.write_all(body).await?;
        }
        connection.flush().await?;
    }
}
